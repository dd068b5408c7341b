package console

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// Attend answers what a process of gonicorn's own asks over one connection,
// which it takes over, until that is closed: the reading half of the API.
func Attend(conn net.Conn, op Operator, log *slog.Logger) {
	server := &http.Server{
		Handler: reading(op), ReadHeaderTimeout: answerTime, MaxHeaderBytes: mostBody,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), IdleTimeout: -1,
	}
	l := &single{conn: conn, closed: make(chan struct{})}
	server.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			l.Close()
		}
	}
	_ = server.Serve(l) // ends with the connection
}

// single is a listener that one connection comes out of.
type single struct {
	mu     sync.Mutex
	conn   net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *single) Accept() (net.Conn, error) {
	l.mu.Lock()
	conn := l.conn
	l.conn = nil
	l.mu.Unlock()
	if conn != nil {
		return conn, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *single) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *single) Addr() net.Addr { return &net.UnixAddr{Net: "unix"} }

// NewAttended asks over a connection at whose other end Attend is. It asks one
// thing after the other.
func NewAttended(fd int) (*Client, error) {
	file := os.NewFile(uintptr(fd), "console")
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, fmt.Errorf("ask gonicorn: %w", err)
	}
	file.Close()
	left := make(chan net.Conn, 1)
	left <- conn
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		select {
		case c := <-left:
			return c, nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return &Client{path: "its socket", http: http.Client{
		Transport: &http.Transport{DialContext: dial, MaxConnsPerHost: 1, IdleConnTimeout: 0, ResponseHeaderTimeout: 2 * time.Second},
	}}, nil
}

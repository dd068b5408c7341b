package operatorapi

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
)

// Attend serves the read-only half of the API to one of gonicorn's own processes over
// conn, until that is closed. It takes over conn.
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

// single is a listener that returns one connection.
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

// NewAttended makes a client for the connection fd. Attend must run at its other end.
// The client sends one request at a time. gone is closed when the connection ends.
func NewAttended(fd int) (client *Client, gone <-chan struct{}, err error) {
	file := os.NewFile(uintptr(fd), "console")
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, nil, fmt.Errorf("ask gonicorn: %w", err)
	}
	file.Close()
	w := &watched{Conn: conn, gone: make(chan struct{})}
	left := make(chan net.Conn, 1)
	left <- w
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		select {
		case c := <-left:
			return c, nil
		case <-w.gone:
			return nil, net.ErrClosed
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return &Client{path: "its socket", http: http.Client{
		Transport: &http.Transport{DialContext: dial, MaxConnsPerHost: 1},
	}}, w.gone, nil
}

// watched is a connection that reports its end. That is noticed at once, because a
// read is always in progress.
type watched struct {
	net.Conn
	once sync.Once
	gone chan struct{}
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if err != nil {
		w.once.Do(func() { close(w.gone) })
	}
	return n, err // callers need the connection's own error
}

// Package echo is a worker class for line-oriented TCP: what a client sends
// comes back line by line.
package echo

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/gonicorn/gonicorn/workers"
)

// maxLine bounds what one client can make a worker hold; a longer line ends
// the connection.
const maxLine = 64 << 10

// lastLine is how long a draining worker lets a client finish its line.
const lastLine = time.Second

// Class serves up to worker_connections clients at once, each by a goroutine.
// A line is a request: max_requests counts lines.
type Class struct{}

// Name implements workers.Class.
func (Class) Name() string { return "echo" }

// Aliases implements workers.Class.
func (Class) Aliases() []string { return nil }

// Capacity implements workers.Class.
func (Class) Capacity(l workers.Limits) int { return max(l.Connections, 1) }

// Alive implements workers.Class: connections may be of any age, lines not.
func (Class) Alive() workers.Liveness { return workers.RequestAge | workers.Heartbeat }

// Serve implements workers.Class.
func (c Class) Serve(ctx context.Context, s *workers.Session) error {
	e := &server{Session: s, places: make(chan struct{}, c.Capacity(s.Limits)), conns: map[net.Conn]struct{}{}}
	failed := make(chan error, len(s.Listeners))
	var accepting sync.WaitGroup
	for _, l := range s.Listeners {
		accepting.Go(func() { failed <- e.accept(l) })
	}
	s.Meter.Ready()

	var err error
	select {
	case <-ctx.Done():
	case <-s.Drain:
	case err = <-failed:
	}
	for _, l := range s.Listeners {
		_ = l.Close() // only this process's descriptor: the arbiter has its own
	}
	if err == nil && ctx.Err() == nil {
		accepting.Wait()
		e.drain(ctx)
	}
	e.closeAll()
	return err
}

type server struct {
	*workers.Session
	places chan struct{} // one for each connection

	mu      sync.Mutex
	conns   map[net.Conn]struct{}
	clients sync.WaitGroup
}

// accept takes a place before a connection: a full worker leaves the next
// client to another one.
func (e *server) accept(l net.Listener) error {
	for {
		select {
		case e.places <- struct{}{}:
		case <-e.Drain:
			return nil
		}
		conn, err := l.Accept()
		if err != nil {
			<-e.places
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		}
		e.open(conn)
		e.clients.Go(func() {
			defer e.close(conn)
			e.echo(conn)
		})
	}
}

func (e *server) echo(conn net.Conn) {
	lines := bufio.NewReaderSize(conn, maxLine)
	for {
		line, err := lines.ReadSlice('\n')
		if len(line) > 0 && (err == nil || !errors.Is(err, bufio.ErrBufferFull)) {
			request := e.Meter.Begin("LINE", conn.RemoteAddr().String())
			_, writeErr := conn.Write(line)
			request.End()
			if writeErr != nil {
				return
			}
		}
		if err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, net.ErrClosed) {
				e.Log.Debug("client gone", "client", conn.RemoteAddr().String(), "error", err)
			}
			return
		}
	}
}

// drain gives every client the time to end its line.
func (e *server) drain(ctx context.Context) {
	e.mu.Lock()
	for conn := range e.conns {
		_ = conn.SetReadDeadline(time.Now().Add(lastLine)) // a closed one needs none
	}
	e.mu.Unlock()
	gone := make(chan struct{})
	go func() { e.clients.Wait(); close(gone) }()
	select {
	case <-gone:
	case <-ctx.Done():
	}
}

func (e *server) open(conn net.Conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.conns[conn] = struct{}{}
	e.Meter.Opened()
}

func (e *server) close(conn net.Conn) {
	_ = conn.Close() // the client has all there is
	e.mu.Lock()
	delete(e.conns, conn)
	e.mu.Unlock()
	e.Meter.Closed()
	<-e.places
}

func (e *server) closeAll() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for conn := range e.conns {
		_ = conn.Close() // its goroutine does the rest
	}
}

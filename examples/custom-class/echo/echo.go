// Package echo is a worker class for line-oriented TCP: what a client sends
// comes back line by line.
package echo

import (
	"bufio"
	"context"
	"net"

	"github.com/gonicorn/gonicorn/workers"
)

// maxLine bounds what one client can make a worker hold; a longer line ends
// the connection.
const maxLine = 64 << 10

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
	return workers.NewDrain(ctx, s, c.Capacity(s.Limits)).Serve(ctx, func(conn net.Conn) {
		lines := bufio.NewReaderSize(conn, maxLine)
		line, err := lines.ReadSlice('\n')
		for ; err == nil; line, err = lines.ReadSlice('\n') {
			request := s.Meter.Begin("LINE", conn.RemoteAddr().String())
			_, _ = conn.Write(line) // the next read tells of a client that has left
			request.End()
		}
	})
}

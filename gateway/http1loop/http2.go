package http1loop

import (
	"syscall"

	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/http2"
	"github.com/gonicorn/gonicorn/gateway/http2loop"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"golang.org/x/sys/unix"
)

// greets looks whether a connection begins with HTTP/2's preface, and gives it to
// who serves that. False means that it speaks HTTP/1.
func (c *conn) greets() bool {
	if c.served || c.s.o.HTTP2 == nil || c.n == 0 {
		return false
	}
	n := min(c.n, len(http2.Preface))
	if string(c.in[:n]) != http2.Preface[:n] {
		return false
	}
	if n == len(http2.Preface) {
		c.multiplex()
	} else if c.deadline.List() != c.s.head || !c.deadline.Armed() {
		c.s.head.Arm(&c.deadline)
	}
	return true
}

// multiplex has the connection served as one of HTTP/2, on the same loop.
func (c *conn) multiplex() {
	s := c.s
	ahead := append([]byte(nil), c.in[:c.n]...)
	about := c.about()
	t := &socket{loop: s.o.Loop, fd: c.fd, bare: true}
	c.leave()
	s.enterHTTP2(t, about, ahead)
}

// transport is a http2loop.Transport with a descriptor.
type transport interface {
	http2loop.Transport
	descriptor() int // -1 once it is closed
	serves(h loop.Handler) loop.Handler
}

// enterHTTP2 serves a connection that speaks HTTP/2, which is counted already.
func (s *Server) enterHTTP2(t transport, about http1.Conn, ahead []byte) {
	h := t.serves(s.o.HTTP2.Enter(t, about, ahead, false, s.o.Host.ReleaseConn))
	if t.descriptor() < 0 {
		return // it is over already
	}
	if err := s.o.Loop.Watch(t.descriptor(), h); err != nil {
		s.o.Host.LogAcceptError("connection", err)
		h.Ready(loop.HungUp)
	}
}

// socket is a connection's descriptor as an http2loop.Transport.
type socket struct {
	loop *loop.Loop
	fd   int
	bare bool
}

func (t *socket) descriptor() int { return t.fd }

func (t *socket) serves(h loop.Handler) loop.Handler { return h }

// Read implements http2loop.Transport.
func (t *socket) Read(p []byte) (int, syscall.Errno) { return loop.Read(t.fd, p) }

// Drains says that a short read has taken all there was: of a bare socket, but not
// of what has records in it.
func (t *socket) Drains() bool { return t.bare }

// Write implements http2loop.Transport.
func (t *socket) Write(p []byte) (int, syscall.Errno) { return loop.Write(t.fd, p) }

// CloseWrite implements http2loop.Transport.
func (t *socket) CloseWrite() { _ = unix.Shutdown(t.fd, unix.SHUT_WR) } // the end is read

// Close implements http2loop.Transport.
func (t *socket) Close() {
	t.loop.Forget(t.fd)
	unix.Close(t.fd)
	t.fd = -1
}

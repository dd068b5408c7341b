package accept

import (
	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/http2loop"
)

// Host is what a LoopServer needs of the Server.
type Host interface {
	// Seat takes a seat for a connection; false means that there is none.
	Seat() bool
	// Unseat gives it back.
	Unseat()
	// Expect says that Hand or Left is about to be called.
	Expect()
	// Left says that a connection has ended, whose seat is free again.
	Left()
	// Hand serves a connection in the caller's goroutine. The seat goes along;
	// without a connection it is given back.
	Hand(c http1.Conn)
	// HTTP2 serves connections that speak it; nil: none may.
	HTTP2() *http2loop.Server
	// NoSeat and NoAccept log that no connections are taken, and why.
	NoSeat()
	NoAccept(listener string, err error)
}

// Seat implements Host.
func (s *Server) Seat() bool { return s.seats.try() }

// Unseat implements Host.
func (s *Server) Unseat() { s.seats.free() }

// Expect implements Host.
func (s *Server) Expect() { s.wg.Add(1) }

// Left implements Host.
func (s *Server) Left() {
	s.seats.free()
	s.wg.Done()
}

// Hand implements Host.
func (s *Server) Hand(c http1.Conn) {
	defer s.wg.Done()
	if c.Conn == nil {
		c.Begun.Drop()
	}
	if c.Conn == nil || !s.o.HTTP1.ServeConn(s.ctx, c) {
		s.seats.free()
	}
}

// NoSeat implements Host.
func (s *Server) NoSeat() {
	if s.full.due() {
		s.o.Log.Warn("no more connections are taken until some end: others wait in the backlog", "open", s.seats.most)
	}
}

// NoAccept implements Host.
func (s *Server) NoAccept(listener string, err error) {
	if s.acceptFailed.due() {
		s.o.Log.Error("cannot accept connections", "listener", listener, "error", err)
	}
}

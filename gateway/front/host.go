package front

import (
	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/streams"
)

// Host is what a Direct needs of its front.
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
	HTTP2() *streams.Server
	// NoSeat and NoAccept log that no connections are taken, and why.
	NoSeat()
	NoAccept(listener string, err error)
}

// Seat implements Host.
func (f *Front) Seat() bool { return f.seats.try() }

// Unseat implements Host.
func (f *Front) Unseat() { f.seats.free() }

// Expect implements Host.
func (f *Front) Expect() { f.wg.Add(1) }

// Left implements Host.
func (f *Front) Left() {
	f.seats.free()
	f.wg.Done()
}

// Hand implements Host.
func (f *Front) Hand(c http1.Conn) {
	defer f.wg.Done()
	if c.Conn == nil {
		c.Begun.Drop()
	}
	if c.Conn == nil || !f.o.HTTP1.ServeConn(f.ctx, c) {
		f.seats.free()
	}
}

// NoSeat implements Host.
func (f *Front) NoSeat() {
	if f.full.due() {
		f.o.Log.Warn("no more connections are taken until some end: others wait in the backlog", "open", f.seats.most)
	}
}

// NoAccept implements Host.
func (f *Front) NoAccept(listener string, err error) {
	if f.acceptFailed.due() {
		f.o.Log.Error("cannot accept connections", "listener", listener, "error", err)
	}
}

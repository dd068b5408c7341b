package workers

import (
	"net"
	"syscall"
)

// door is a listener that lets a connection in only when there is a place for
// it. Until then the connection stays in the kernel's backlog, where another
// worker can take it.
type door struct {
	net.Listener
	server *server
	raw    syscall.RawConn // nil: the listener is none of the operating system's
}

func newDoor(s *server, l net.Listener) *door {
	d := &door{Listener: l, server: s}
	if sc, ok := l.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			d.raw = raw
		}
	}
	return d
}

// Accept implements net.Listener. The connection has its place, which closing
// it gives back.
//
// A place is taken only once somebody knocks, and given back when another
// worker was faster: while it waits, this worker can use all its places for
// connections that it has.
func (d *door) Accept() (net.Conn, error) {
	s := d.server
	for {
		if err := d.wait(); err != nil {
			return nil, err
		}
		if !s.open.take(s.closing) {
			return nil, net.ErrClosed
		}
		if !s.places.take(s.closing) {
			s.open.put()
			return nil, net.ErrClosed
		}
		c, err := d.try()
		if c != nil {
			return s.admit(c), nil
		}
		s.places.put()
		s.open.put()
		if err != nil {
			return nil, err
		}
	}
}

package workers

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// Listener accepts a connection only when there is a place for it. Until then
// the connection stays in the kernel's backlog, where another worker can take
// it. It is a net.Listener, for servers that need one.
type Listener struct {
	net.Listener
	drain  *Drain
	file   *os.File        // a duplicate to wait on: a net.Listener cannot wait without accepting
	raw    syscall.RawConn // of file; nil if the listener is not a socket of the operating system
	short  shortage
	coming *os.File // a connection that was accepted when there was no descriptor left to serve it with
}

func newListener(drain *Drain, l net.Listener) *Listener {
	d := &Listener{Listener: l, drain: drain, short: shortage{log: drain.session.Log}}
	filer, ok := l.(interface{ File() (*os.File, error) })
	if !ok {
		return d
	}
	file, err := filer.File()
	if err != nil {
		return d
	}
	if d.raw, err = file.SyscallConn(); err != nil {
		file.Close()
		return d
	}
	d.file = file
	return d
}

// Close implements net.Listener. It ends a blocked Accept.
func (d *Listener) Close() error {
	var err error
	if d.file != nil {
		err = d.file.Close()
	}
	return errors.Join(err, d.Listener.Close())
}

// Accept implements net.Listener. The connection has a place, and gives it back
// when it is closed.
//
// Accept takes a place only once a connection is pending, and gives it back if
// another worker was faster. So while it waits, this worker can use all its
// places for the connections that it has.
func (d *Listener) Accept() (net.Conn, error) {
	s := d.drain
	for {
		if err := d.wait(); err != nil {
			d.turnAway()
			return nil, err
		}
		if !(turn{s.session.Meter.slot}).await(s.closing) {
			d.turnAway()
			return nil, net.ErrClosed
		}
		if !s.open.take(s.closing) {
			d.turnAway()
			return nil, net.ErrClosed
		}
		if !s.places.take(s.closing) {
			s.open.put()
			d.turnAway()
			return nil, net.ErrClosed
		}
		c, err := d.try()
		if c != nil {
			return s.admit(c), nil
		}
		s.places.put()
		s.open.put()
		if err != nil && !d.short.rest(err, s.closing) {
			d.turnAway()
			return nil, err
		}
	}
}

// turnAway closes the accepted descriptor that serve has kept.
func (d *Listener) turnAway() {
	if d.coming != nil {
		d.coming.Close()
		d.coming = nil
	}
}

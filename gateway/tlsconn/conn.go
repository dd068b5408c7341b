// Package tlsconn is TLS over a socket that goroutines or the event loop use. It
// leaves records and keys to crypto/tls. While the loop has the connection, the
// layer below crypto/tls reads from the socket without waiting, and keeps what is
// to be written for the loop.
package tlsconn

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/gonicorn/gonicorn/internal/listen"
)

// Conn is one connection. Until Detach, and after Attach, it is a net.Conn that
// goroutines use. In between it belongs to one loop, which may call Receive, Heard,
// Seal, Owed and Bye.
type Conn struct {
	*tls.Conn
	under under
}

// Server makes the server's side of a connection.
func Server(raw net.Conn, config *tls.Config) *Conn {
	c := &Conn{under: under{conn: raw}}
	c.Conn = tls.Server(&c.under, config)
	return c
}

// Detach gives the connection to a loop, which has to close the descriptor. read
// reads from a socket without waiting.
func (c *Conn) Detach(read func(fd int, p []byte) (int, syscall.Errno)) (fd int, err error) {
	if b := c.under.before; b != nil {
		<-b.done // if send has failed, so will the next write
	}
	if fd, err = listen.Duplicate(c.under.conn); err != nil {
		return -1, err
	}
	c.under.conn.Close()
	c.under = under{fd: fd, read: read}
	return fd, nil
}

// Attach gives the connection to goroutines; raw is its socket. send, which may be
// nil, sends what is left from before. Writes wait until it has returned.
func (c *Conn) Attach(raw net.Conn, send func() error) {
	c.under = under{conn: raw}
	if send != nil {
		b := &before{done: make(chan struct{})}
		c.under.before = b
		go func() {
			defer close(b.done)
			b.err = send()
		}()
	}
}

// before is what has to be sent before anything else.
type before struct {
	done chan struct{}
	err  error
}

// Raw is the socket, while goroutines have it.
func (c *Conn) Raw() net.Conn { return c.under.conn }

// Heard says that there may be something to read.
func (c *Conn) Heard() { c.under.dry = false }

// Receive reads plain text on a loop. EAGAIN means that there is none yet, 0 bytes
// mean that the client sends nothing more.
func (c *Conn) Receive(p []byte) (int, syscall.Errno) {
	n, err := c.Conn.Read(p)
	switch {
	case n > 0:
		return n, 0
	case errors.Is(err, errAgain):
		return 0, syscall.EAGAIN
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return 0, 0
	}
	return 0, syscall.ECONNRESET
}

// Seal makes records of p, appended to the empty scratch.
func (c *Conn) Seal(scratch, p []byte) []byte {
	c.under.out = scratch
	_, _ = c.Conn.Write(p) // fails if the connection is broken: then nothing is sent
	return c.Owed()
}

// Owed returns records that crypto/tls wants sent, such as answers to what was read.
func (c *Conn) Owed() []byte {
	p := c.under.out
	c.under.out = nil
	return p
}

// Bye returns the record that says that nothing follows.
func (c *Conn) Bye() []byte {
	_ = c.Conn.CloseWrite() // fails like Write in Seal
	return c.Owed()
}

// under is the socket below crypto/tls.
type under struct {
	conn   net.Conn // nil while a loop has it
	before *before  // nil if there is nothing

	fd   int
	read func(fd int, p []byte) (int, syscall.Errno)
	dry  bool   // there is nothing to read until Heard is called
	out  []byte // to be written
}

// again is an error that counts as temporary, so that crypto/tls can continue with
// a record later.
type again struct{}

var errAgain net.Error = again{}

func (again) Error() string   { return "nothing to be read" }
func (again) Timeout() bool   { return false }
func (again) Temporary() bool { return true }

// Read implements net.Conn.
func (u *under) Read(p []byte) (int, error) {
	if u.conn != nil {
		return u.conn.Read(p)
	}
	for !u.dry {
		n, err := u.read(u.fd, p)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			u.dry = true
			return 0, errAgain
		case err != 0:
			return 0, err
		case n == 0:
			return 0, io.EOF
		}
		u.dry = n < len(p)
		return n, nil
	}
	return 0, errAgain
}

// Write implements net.Conn.
func (u *under) Write(p []byte) (int, error) {
	if b := u.before; b != nil {
		if <-b.done; b.err != nil {
			return 0, b.err
		}
		u.before = nil
	}
	if u.conn != nil {
		return u.conn.Write(p)
	}
	u.out = append(u.out, p...)
	return len(p), nil
}

// Close implements net.Conn. A loop closes its descriptor itself.
func (u *under) Close() error {
	if u.conn != nil {
		return u.conn.Close()
	}
	return nil
}

// CloseWrite closes the socket for writing.
func (u *under) CloseWrite() error {
	if half, is := u.conn.(interface{ CloseWrite() error }); is {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// NetConn returns the connection below.
func (u *under) NetConn() net.Conn { return u.conn }

// LocalAddr implements net.Conn.
func (u *under) LocalAddr() net.Addr { return u.conn.LocalAddr() }

// RemoteAddr implements net.Conn.
func (u *under) RemoteAddr() net.Addr { return u.conn.RemoteAddr() }

// SetDeadline implements net.Conn. A loop has deadlines of its own.
func (u *under) SetDeadline(t time.Time) error {
	if u.conn == nil {
		return nil
	}
	return u.conn.SetDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (u *under) SetReadDeadline(t time.Time) error {
	if u.conn == nil {
		return nil
	}
	return u.conn.SetReadDeadline(t)
}

// SetWriteDeadline implements net.Conn.
func (u *under) SetWriteDeadline(t time.Time) error {
	if u.conn == nil {
		return nil
	}
	return u.conn.SetWriteDeadline(t)
}

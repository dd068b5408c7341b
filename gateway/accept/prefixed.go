package accept

import (
	"errors"
	"net"

	"github.com/gonicorn/gonicorn/gateway/http1"
)

// prefixed is a connection whose first bytes have been read already.
type prefixed struct {
	net.Conn
	first []byte
}

// unread puts back what was read too far.
func unread(c net.Conn, first []byte) net.Conn {
	if len(first) == 0 {
		return c
	}
	return &prefixed{Conn: c, first: first}
}

// bare takes the wrappers off a connection: what was read too far goes along.
func bare(c *http1.Conn) {
	for {
		p, ok := c.Conn.(*prefixed)
		if !ok {
			return
		}
		c.Conn, c.Ahead = p.Conn, append(c.Ahead, p.first...)
	}
}

// Read implements net.Conn.
func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.first) > 0 {
		n := copy(b, p.first)
		p.first = p.first[n:]
		return n, nil
	}
	return p.Conn.Read(b)
}

// NetConn returns the connection beneath.
func (p *prefixed) NetConn() net.Conn { return p.Conn }

// CloseWrite tells the peer that nothing more comes.
func (p *prefixed) CloseWrite() error {
	if half, ok := p.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

package front

import (
	"bufio"
	"errors"
	"net"

	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/pires/go-proxyproto"
)

// proxyBuffer is what is read at once of a connection that may begin with the
// PROXY protocol: a header of version 1 is up to 107 bytes.
const proxyBuffer = 512

func (f *Front) proxied() bool { return f.o.Proxy != "" && f.o.Proxy != "off" }

// unproxy takes the PROXY protocol's header off a connection, if a proxy that
// may do so has sent one. False means that the connection must be closed.
func (f *Front) unproxy(c *http1.Conn) bool {
	if c.LocalUnix == "" && !f.o.ProxyAllow(c.Remote.Addr()) {
		return true // its "PROXY" would be no valid request
	}
	in := bufio.NewReaderSize(c.Conn, proxyBuffer)
	gatherV1(in)
	header, err := proxyproto.Read(in)
	switch {
	case errors.Is(err, proxyproto.ErrNoProxyProtocol):
	case err != nil:
		f.o.Log.Warn("bad PROXY protocol header", "peer", c.Remote, "error", err)
		return false
	case f.o.Proxy == "v1" && header.Version != 1 || f.o.Proxy == "v2" && header.Version != 2:
		f.o.Log.Warn("PROXY protocol of another version than proxy_protocol says", "peer", c.Remote, "version", header.Version)
		return false
	case !header.Command.IsLocal():
		if remote := addrPort(header.SourceAddr); remote.IsValid() {
			c.Remote, c.LocalUnix = remote, ""
		}
		if local := addrPort(header.DestinationAddr); local.IsValid() {
			c.Local = local
		}
	}
	c.Conn = unread(c.Conn, in)
	return true
}

// gatherV1 waits until a header of version 1 is there whole: the library reads
// no more than has been read ahead. What goes wrong, goes wrong there too.
func gatherV1(in *bufio.Reader) {
	const most = 107 // with its CRLF
	for n := 1; n <= most; n++ {
		b, err := in.Peek(n)
		if err != nil || b[n-1] == '\n' || n <= len(v1Begins) && b[n-1] != v1Begins[n-1] {
			return
		}
	}
}

// v1Begins is how a header of version 1 begins.
const v1Begins = "PROXY "

// unread puts back what was read too far.
func unread(c net.Conn, in *bufio.Reader) net.Conn {
	if in.Buffered() == 0 {
		return c
	}
	first, _ := in.Peek(in.Buffered())
	return &prefixed{Conn: c, first: append([]byte(nil), first...)}
}

// prefixed is a connection some of which has been read already.
type prefixed struct {
	net.Conn
	first []byte
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

// CloseWrite tells the peer that nothing more comes.
func (p *prefixed) CloseWrite() error {
	if half, ok := p.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

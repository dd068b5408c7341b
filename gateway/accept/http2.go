package accept

import (
	"sync/atomic"

	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/http2"
	"github.com/gonicorn/gonicorn/gateway/http2loop"
)

// connectionWindow is what an HTTP/2 client may have under way of all bodies
// together, unless a single one may have more: bytes.
const connectionWindow = 1 << 20

// defaultHeaderList is how many bytes a request's fields may have by default.
const defaultHeaderList = 64 << 10

// setUpHTTP2 makes what serves HTTP/2. It bounds what one connection can make it
// hold: streams, their bodies, heads and the frames that continue them, resets,
// and frames to be answered.
func (s *Server) setUpHTTP2() {
	o := &s.o
	b := http2.Bounds{Streams: max(o.Streams, 1), Window: o.Window, All: max(connectionWindow, o.Window), Frame: o.Frame, HeaderList: o.HeaderList, Connect: true}
	if b.Window <= 0 {
		b.Window = connectionWindow
	}
	if b.HeaderList <= 0 {
		b.HeaderList = defaultHeaderList
	}
	held := new(atomic.Int64)
	for _, e := range o.Loops {
		s.http2 = append(s.http2, http2loop.New(http2loop.Options{
			Loop: e.Loop, HTTP: o.HTTP1, Bounds: b, Greet: o.HandshakeTimeout, Backend: e.Backend, Pipeline: e.Pipeline, Held: held, Log: o.Log,
		}))
	}
}

// sniffHTTP2 reports whether a connection begins with HTTP/2's preface, which
// it takes off (RFC 9113, 3.4).
func sniffHTTP2(c *http1.Conn) bool {
	var got [len(http2.Preface)]byte
	n := 0
	for n < len(got) {
		m, err := c.Conn.Read(got[n:])
		n += m
		if string(got[:n]) != http2.Preface[:n] || err != nil {
			c.Conn = unread(c.Conn, got[:n:n])
			return false
		}
	}
	return true
}

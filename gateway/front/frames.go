package front

import (
	"crypto/tls"
	"net"

	"golang.org/x/net/http2"
)

const (
	frameHead     = 9  // of every frame: length, type, flags, stream (RFC 9113, 4.1)
	continuations = 32 // frames that may continue any head
	oneContinues  = 1 << 10
)

// frames counts the frames that continue one head as they are read. The
// library bounds their bytes and not their number: empty ones never end.
type frames struct {
	net.Conn
	most  int // CONTINUATION frames in a row
	count int
	skip  int             // of the preface or a payload, until the next head
	head  [frameHead]byte // of the next frame
	have  int             // of head
}

// securedFrames are frames of a connection with TLS, which the library asks
// what it has negotiated.
type securedFrames struct {
	frames
	tls *tls.Conn
}

// ConnectionState is what the library looks for.
func (s *securedFrames) ConnectionState() tls.ConnectionState { return s.tls.ConnectionState() }

// countFrames wraps a connection. A head of headerList bytes may come in
// frames of 1 KiB; preface says that the client's was read.
func countFrames(c net.Conn, headerList int, preface bool) net.Conn {
	f := frames{Conn: c, most: continuations + headerList/oneContinues}
	if !preface {
		f.skip = len(http2.ClientPreface)
	}
	if secure, ok := c.(*tls.Conn); ok {
		return &securedFrames{f, secure}
	}
	return &f
}

// Read implements net.Conn.
func (f *frames) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	for rest := p[:n]; len(rest) > 0; {
		if f.skip > 0 {
			k := min(f.skip, len(rest))
			f.skip, rest = f.skip-k, rest[k:]
			continue
		}
		k := copy(f.head[f.have:], rest)
		f.have, rest = f.have+k, rest[k:]
		if f.have == frameHead && !f.next() {
			return 0, http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)
		}
	}
	return n, err
}

// next looks at a frame's head; false means that there were too many.
func (f *frames) next() bool {
	f.have, f.skip = 0, int(f.head[0])<<16|int(f.head[1])<<8|int(f.head[2])
	if http2.FrameType(f.head[3]) != http2.FrameContinuation {
		f.count = 0
		return true
	}
	f.count++
	return f.count <= f.most
}

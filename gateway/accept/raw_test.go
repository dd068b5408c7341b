package accept_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// raw is an HTTP/2 connection that sends what it likes.
type raw struct {
	t *testing.T
	net.Conn
	*http2.Framer
	head bytes.Buffer
	pack *hpack.Encoder
	next uint32
}

func (v *site) raw(t *testing.T) *raw {
	t.Helper()
	return v.rawOver(t, nil)
}

// rawOver is raw over TLS, unless config is nil.
func (v *site) rawOver(t *testing.T, config *tls.Config) *raw {
	t.Helper()
	r := &raw{t: t, Conn: v.dial(t, config), next: 1}
	r.Framer = http2.NewFramer(r.Conn, r.Conn)
	r.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	r.pack = hpack.NewEncoder(&r.head)
	if _, err := io.WriteString(r.Conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	r.do(r.WriteSettings())
	return r
}

func (r *raw) do(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// block encodes fields: names and values in turn.
func (r *raw) block(fields ...string) []byte {
	r.head.Reset()
	for i := 0; i < len(fields); i += 2 {
		r.do(r.pack.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}))
	}
	return r.head.Bytes()
}

// get are the pseudo fields of a GET, and more.
func get(more ...string) []string {
	return append([]string{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/"}, more...)
}

// send sends a request's head and returns its stream.
func (r *raw) send(end bool, fields ...string) (stream uint32) {
	r.t.Helper()
	stream = r.next
	r.next += 2
	r.do(r.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: r.block(fields...), EndHeaders: true, EndStream: end}))
	return stream
}

// outcome is what became of a stream: a status, "reset CODE", "away CODE", or
// "closed".
func (r *raw) outcome(stream uint32) string {
	r.t.Helper()
	for {
		frame, err := r.ReadFrame()
		var late net.Error
		if errors.As(err, &late) && late.Timeout() {
			r.t.Fatal("no answer")
		}
		if err != nil {
			return "closed"
		}
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			if f.StreamID == stream && f.PseudoValue("status") != "100" {
				return f.PseudoValue("status")
			}
		case *http2.RSTStreamFrame:
			if f.StreamID == stream {
				return "reset " + f.ErrCode.String()
			}
		case *http2.GoAwayFrame:
			return "away " + f.ErrCode.String()
		}
	}
}

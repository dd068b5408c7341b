//go:build linux

package http2loop

import (
	"bytes"
	"log/slog"
	"syscall"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/http2"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/gateway/pipeline"
	"github.com/gonicorn/gonicorn/gateway/pipeline/forward"
	h2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// memory is a Transport without a network.
type memory struct {
	in   []byte
	sent int
}

func (m *memory) Read(p []byte) (int, syscall.Errno) {
	if len(m.in) == 0 {
		return 0, syscall.EAGAIN
	}
	n := copy(p, m.in)
	m.in = m.in[n:]
	return n, 0
}

func (m *memory) Write(p []byte) (int, syscall.Errno) {
	m.sent += len(p)
	return len(p), 0
}

func (*memory) CloseWrite() {}
func (*memory) Close()      {}

// echo answers every request alike, when it is told.
type echo struct{ waiting []*echoed }

type echoed struct {
	of     *echo
	caller gateway.Caller
}

func (e *echo) NewCall() gateway.Call { return &echoed{of: e} }

func (c *echoed) Submit(from gateway.Caller, _ *gateway.Request) {
	c.caller = from
	c.of.waiting = append(c.of.waiting, c)
}
func (c *echoed) Promote()                {}
func (c *echoed) Abandon()                {}
func (c *echoed) Taken(int)               {}
func (c *echoed) Began() (t time.Time)    { return t }
func (c *echoed) Sent() (t time.Time)     { return t }
func (c *echoed) Worker() (slot, pid int) { return -1, 0 }

// requests are the bytes of n requests as a client sends them that has sent such
// ones before.
func requests(n int, from uint32, framer *h2.Framer, out *bytes.Buffer, pack *hpack.Encoder, block *bytes.Buffer) []byte {
	out.Reset()
	for i := range n {
		block.Reset()
		for _, f := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "127.0.0.1:8000"}, {":path", "/"}, {"user-agent", "h2load nghttp2/1.52.0"}} {
			_ = pack.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
		}
		_ = framer.WriteHeaders(h2.HeadersFrameParam{StreamID: from + uint32(2*i), BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true})
	}
	return out.Bytes()
}

// withoutNetwork makes a server with a loop, which does not run yet, and a
// pipeline.
func withoutNetwork(t testing.TB, o Options) *Server {
	t.Helper()
	l, err := loop.New()
	if err != nil {
		t.Fatal(err)
	}
	rules, err := forward.New(forward.Options{})
	if err != nil {
		t.Fatal(err)
	}
	o.Loop, o.Log = l, slog.New(slog.DiscardHandler)
	o.Pipeline = pipeline.New(pipeline.Options{Forward: rules, RequestBuffering: true, Log: o.Log})
	return New(o)
}

// What a request costs, of those of which so many come at once, but for the system
// calls and the backend.
func BenchmarkRequest(b *testing.B) {
	for _, n := range []int{1, 10} {
		b.Run(string(rune('0'+n/10))+string(rune('0'+n%10)), func(b *testing.B) { benchmark(b, n) })
	}
}

func benchmark(b *testing.B, n int) {
	back := &echo{}
	s := withoutNetwork(b, Options{
		HTTP: &http1.Server{Adds: http1.Adds{Name: "gonicorn"}, KeepAlive: time.Minute}, Backend: back,
		Bounds: http2.Bounds{Streams: 100, Window: 65535, All: 1 << 20, Frame: 16384, HeaderList: 65536},
	})
	m := &memory{}
	c := s.Enter(m, http1.Conn{Scheme: "http"}, nil, false, nil)
	var out, block bytes.Buffer
	framer, pack := h2.NewFramer(&out, nil), hpack.NewEncoder(&block)
	out.WriteString(http2.Preface)
	_ = framer.WriteSettings()
	m.in = out.Bytes()
	c.Ready(loop.Readable)
	head := gateway.Answer{Status: 200, Fields: []gateway.Field{{Name: "content-type", Value: "text/plain"}}, Length: 14}
	next := uint32(1)
	b.ReportAllocs()
	for done := 0; b.Loop(); done += n {
		m.in = requests(n, next, framer, &out, pack, &block)
		if next += uint32(2 * n); next > 1<<30 {
			b.Fatal("out of streams")
		}
		c.Ready(loop.Readable)
		for _, call := range back.waiting {
			if !call.caller.Answer(&head, gateway.Part{Body: []byte("Hello, world!\n")}, true) {
				b.Fatal("it is not taken")
			}
			call.caller.Done()
		}
		if len(back.waiting) != n {
			b.Fatalf("%d requests of %d", len(back.waiting), n)
		}
		back.waiting = back.waiting[:0]
		before := m.sent
		if s.flush(); m.sent == before {
			b.Fatal("nothing is sent")
		}
		out.Reset()
		_ = framer.WriteWindowUpdate(0, uint32(14*n))
		m.in = out.Bytes()
		c.Ready(loop.Readable)
	}
}

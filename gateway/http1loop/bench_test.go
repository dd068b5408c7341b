//go:build linux && !portable

package http1loop

import (
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/accept"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/gateway/pipeline"
	"github.com/gonicorn/gonicorn/gateway/pipeline/forward"
	"golang.org/x/sys/unix"
)

// prompt is a backend that answers every request alike, when it is told.
type prompt struct{ waiting []*prompted }

type prompted struct {
	of     *prompt
	caller gateway.Caller
}

func (p *prompt) NewCall() gateway.Call { return &prompted{of: p} }

func (c *prompted) Submit(from gateway.Caller, _ *gateway.Request) {
	c.caller = from
	c.of.waiting = append(c.of.waiting, c)
}
func (c *prompted) Promote()                {}
func (c *prompted) Abandon()                {}
func (c *prompted) Taken(int)               {}
func (c *prompted) Began() (t time.Time)    { return t }
func (c *prompted) Sent() (t time.Time)     { return t }
func (c *prompted) Worker() (slot, pid int) { return -1, 0 }

// nobody is a host that has nothing to do.
type nobody struct{ accept.Host }

// exchange is a connection on a loop that nobody runs, and its client.
type exchange struct {
	backend *prompt
	conn    *conn
	client  int
	request []byte
	head    gateway.Answer
	body    []byte
	buffer  [4096]byte
}

func newExchange(tb testing.TB) *exchange {
	tb.Helper()
	l, err := loop.New()
	if err != nil {
		tb.Fatal(err)
	}
	rules, err := forward.New(forward.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { unix.Close(fds[0]); unix.Close(fds[1]) })
	x := &exchange{
		backend: &prompt{}, client: fds[1], body: []byte("Hello, world!\n"),
		request: []byte("GET /a/path?query=1 HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: benchmark\r\nAccept: */*\r\n\r\n"),
		head:    gateway.Answer{Status: 200, Length: 14, Fields: []gateway.Field{{Name: "content-type", Value: "text/plain"}}},
	}
	s := New(Options{
		Loop: l, Backend: x.backend, HTTP: &http1.Server{Adds: http1.Adds{Name: "gonicorn"}, KeepAlive: time.Minute, HeaderTimeout: time.Minute},
		Pipeline: pipeline.New(pipeline.Options{Forward: rules, RequestBuffering: true, ResponseBuffering: true}), Host: nobody{},
	})
	x.conn = &conn{s: s, fd: fds[0]}
	s.enter(x.conn, s.first)
	return x
}

// run has the connection answer one request.
func (x *exchange) run(tb testing.TB) {
	if _, err := unix.Write(x.client, x.request); err != nil {
		tb.Fatal(err)
	}
	x.conn.Ready(loop.Readable)
	for _, c := range x.backend.waiting {
		if !c.caller.Answer(&x.head, gateway.Part{Body: x.body}, true) {
			tb.Fatal("the loop does not take the answer")
		}
		c.caller.Done()
	}
	x.backend.waiting = x.backend.waiting[:0]
	if n, err := unix.Read(x.client, x.buffer[:]); err != nil || n == 0 {
		tb.Fatalf("no answer: %d bytes, %v", n, err)
	}
}

// What a request costs, but for the backend.
func BenchmarkRequest(b *testing.B) {
	x := newExchange(b)
	x.run(b)
	b.ReportAllocs()
	for b.Loop() {
		x.run(b)
	}
}

// A small GET allocates nothing of its own: its strings, which goroutines may keep when
// it leaves the loop, lie in memory with those of other requests.
func TestRequestAllocatesNothing(t *testing.T) {
	x := newExchange(t)
	x.run(t)
	if n := testing.AllocsPerRun(1000, func() { x.run(t) }); n > 0 {
		t.Errorf("%.0f allocations a request", n)
	}
}

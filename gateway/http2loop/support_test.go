//go:build linux

package http2loop_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/accept"
	"github.com/gonicorn/gonicorn/gateway/gatewaytest"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/gateway/pipeline/forward"
	"go.uber.org/goleak"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testTimeout bounds every wait of a test.
const testTimeout = gatewaytest.Timeout

// app is a backend that answers requests with what they are, on the loop and off
// it.
type app struct {
	loop   *loop.Loop
	direct chan string // paths that the loop has served
	began  chan string // paths that wait
	left   chan string // paths whose client has gone
}

// say is the answer to a request.
func say(r *gateway.Request, body []byte) (status int, fields []gateway.Field, answer string) {
	status = 200
	answer = r.Method + " " + r.Target + " " + r.Host + " " + string(body)
	fields = []gateway.Field{{Name: "Content-Type", Value: "text/plain"}, {Name: "X-Own", Value: "a"}, {Name: "Connection", Value: "x-hop"}, {Name: "X-Hop", Value: "b"}}
	switch kind, n, _ := strings.Cut(strings.TrimPrefix(r.Path, "/"), "/"); kind {
	case "status":
		status, _ = strconv.Atoi(n)
	case "long":
		size, _ := strconv.Atoi(n)
		answer = strings.Repeat("x", size)
	case "parts":
		size, _ := strconv.Atoi(n)
		answer = strings.Repeat("x", size)
		fields = append(fields, gateway.Field{Name: "Content-Length", Value: n})
	case "break":
		fields = append(fields, gateway.Field{Name: "X-Broken", Value: "a\x01b"})
	}
	return status, fields, answer
}

// call is one stream's request on the loop. It implements gateway.Call.
type call struct {
	a      *app
	caller gateway.Caller
	r      *gateway.Request
	given  bool // it is to be answered
	began  time.Time
}

// NewCall implements gateway.Looped.
func (a *app) NewCall() gateway.Call { return &call{a: a} }

func (c *call) Submit(from gateway.Caller, r *gateway.Request) {
	c.caller, c.r, c.given, c.began = from, r, true, c.a.loop.Now()
	switch r.Path {
	case "/promote":
		c.Promote()
		return
	case "/hold":
		c.a.began <- r.Path
		return
	}
	status, fields, text := say(r, r.Body.Inline)
	head := gateway.Answer{Status: status, Fields: fields, Length: int64(len(text))}
	if http1.Bodyless(r.Method, status) {
		head.Length = -1 // as of an app that does not say it
	}
	c.later(func() {
		if strings.HasPrefix(r.Path, "/parts/") {
			c.inParts(head, text)
			return
		}
		if path := r.Path; c.caller.Answer(&head, gateway.Part{Body: []byte(text)}, true) {
			c.done(path)
			return
		}
		c.Promote()
	})
}

// later calls f in another turn, if the request is still to be answered: calls are
// used again.
func (c *call) later(f func()) {
	number := c.r.Number
	c.a.loop.Post(func() {
		if c.given && c.r.Number == number {
			f()
		}
	})
}

func (c *call) done(path string) {
	c.given = false
	c.a.direct <- path
	c.caller.Done()
}

// inParts answers in three parts, in a turn each.
func (c *call) inParts(head gateway.Answer, text string) {
	path, third := c.r.Path, len(text)/3
	if !c.caller.Answer(&head, gateway.Part{Body: []byte(text[:third])}, false) {
		c.Promote()
		return
	}
	c.later(func() {
		c.caller.Part(gateway.Part{Body: []byte(text[third : 2*third])}, false)
		c.later(func() {
			c.caller.Part(gateway.Part{Body: []byte(text[2*third:])}, true)
			c.done(path)
		})
	})
}

func (c *call) Promote() {
	c.given = false
	c.caller.Promote(gatewaytest.Untouched{})
}

func (c *call) Abandon() {
	c.given = false
	c.a.left <- c.r.Path
}

func (c *call) Taken(int)               {}
func (c *call) Began() time.Time        { return c.began }
func (c *call) Sent() time.Time         { return c.began }
func (c *call) Worker() (slot, pid int) { return -1, 0 }

func (a *app) Update([]gateway.Worker) {}

// Serve implements gateway.Backend.
func (a *app) Serve(ctx context.Context, r *gateway.Request, w gateway.Reply) error {
	if r.Path == "/hold" {
		if r.Begun == nil {
			a.began <- r.Path
		}
		<-ctx.Done()
		a.left <- r.Path
		return context.Cause(ctx)
	}
	body := r.Body.Inline
	if r.Body.File != nil {
		body, _ = io.ReadAll(io.NewSectionReader(r.Body.File, 0, r.Body.Length))
	}
	status, fields, text := say(r, body)
	length := int64(len(text))
	if http1.Bodyless(r.Method, status) {
		length = -1 // as of an app that does not say it
	}
	if err := w.Head(status, "", fields, length); err != nil {
		return err
	}
	if _, err := io.WriteString(w, text); err != nil {
		return err
	}
	return w.End(nil)
}

// service speaks HTTP/2 without TLS.
type service struct {
	addr  string
	app   *app
	front *accept.Server
}

// start begins a service; looped has common requests served by the loop.
func start(t *testing.T, looped bool, change func(*accept.Options)) *service {
	t.Helper()
	l, err := loop.New()
	if err != nil {
		t.Fatal(err)
	}
	a := &app{loop: l, direct: make(chan string, 10000), began: make(chan string, 10000), left: make(chan string, 10000)}
	site := gatewaytest.New(t, l, a, forward.Options{})
	o := &site.Options
	o.Events.Loop, o.HTTP2Cleartext, o.Streams, o.Window, o.Frame, o.HeaderList = l, true, 20, 65535, 16384, 65536
	if change != nil {
		change(o)
	}
	if site.Looped = looped; looped {
		o.Events.Backend, o.Events.Pipeline = a, site.Pipeline
	}
	f, addr := site.Listen(t, func() {})
	return &service{addr: addr, app: a, front: f}
}

// client is an HTTP/2 connection that sends what it likes.
type client struct {
	t *testing.T
	net.Conn
	*http2.Framer
	head bytes.Buffer
	pack *hpack.Encoder
	next uint32
}

// dialPlain connects.
func (s *service) dialPlain(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(testTimeout))
	return conn
}

func (s *service) dial(t *testing.T, settings ...http2.Setting) *client {
	t.Helper()
	conn := s.dialPlain(t)
	c := &client{t: t, Conn: conn, Framer: http2.NewFramer(conn, conn), next: 1}
	c.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.pack = hpack.NewEncoder(&c.head)
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	c.do(c.WriteSettings(settings...))
	return c
}

func (c *client) do(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// send sends a request's head: names and values.
func (c *client) send(end bool, fields ...string) uint32 {
	c.t.Helper()
	id := c.next
	c.next += 2
	c.head.Reset()
	for i := 0; i < len(fields); i += 2 {
		c.do(c.pack.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}))
	}
	c.do(c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.head.Bytes(), EndHeaders: true, EndStream: end}))
	return id
}

func ask(method, path string, more ...string) []string {
	return append([]string{":method", method, ":scheme", "http", ":authority", "a", ":path", path}, more...)
}

// outcome is all that comes of a stream, in one line.
func (c *client) outcome(id uint32) string {
	c.t.Helper()
	var all []string
	var body []byte
	for {
		frame, err := c.ReadFrame()
		if err != nil {
			return strings.Join(append(all, "closed"), " ")
		}
		end := false
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			if f.StreamID != id {
				continue
			}
			var fields []string
			for _, field := range f.Fields {
				if field.Name != "date" && field.Name != "x-request-id" {
					fields = append(fields, field.Name+"="+field.Value)
				}
			}
			slices.Sort(fields)
			all = append(all, fields...)
			end = f.StreamEnded()
		case *http2.DataFrame:
			if f.StreamID == id {
				body = append(body, f.Data()...)
				end = f.StreamEnded()
			}
			c.do(c.WriteWindowUpdate(0, max(1, f.Length)))
		case *http2.RSTStreamFrame:
			if f.StreamID == id {
				return strings.Join(append(all, "reset "+f.ErrCode.String()), " ")
			}
		case *http2.GoAwayFrame:
			return strings.Join(append(all, "away "+f.ErrCode.String()), " ")
		}
		if end {
			text := strings.Split(string(body), "Request id:")[0] // of an error page: each has another
			return strings.Join(append(all, fmt.Sprintf("%d: %.500s", len(text), text)), " ")
		}
	}
}

// over is net/http's client of the service.
func (s *service) over(t *testing.T) *http.Client {
	t.Helper()
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &p}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: testTimeout}
}

func wait[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	timer := time.NewTimer(testTimeout)
	defer timer.Stop()
	select {
	case v := <-c:
		return v
	case <-timer.C:
		t.Fatalf("%s: nothing happens", what)
		panic("not reached")
	}
}

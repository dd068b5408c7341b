//go:build linux

package streams_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/buffer"
	"github.com/gonicorn/gonicorn/gateway/channel"
	"github.com/gonicorn/gonicorn/gateway/direct"
	"github.com/gonicorn/gonicorn/gateway/forward"
	"github.com/gonicorn/gonicorn/gateway/front"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/gateway/pipeline"
	"github.com/gonicorn/gonicorn/gateway/python"
	"github.com/gonicorn/gonicorn/internal/wire"
	"go.uber.org/goleak"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of a test.
const patience = 20 * time.Second

// app is a backend that answers requests with what they are, on the loop and off
// it.
type app struct {
	loop   *loop.Loop
	direct chan string           // paths that the loop has served
	began  chan string           // paths that wait
	left   chan string           // paths whose client has gone
	given  map[*python.Call]bool // those to be answered; the loop's
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

// exchange is one that nobody but its goroutine knows.
func exchange() *channel.Exchange {
	return channel.NewRegistry(&channel.Env{}).New(1, time.Now(), &gateway.Request{}, nil, nil, nil)
}

// Submit implements streams.Backend.
func (a *app) Submit(c *python.Call) {
	r := c.Request
	a.given[c] = true
	switch r.Path {
	case "/promote":
		a.Promote(c)
		return
	case "/hold":
		a.began <- r.Path
		return
	}
	status, fields, text := say(r, r.Body.Inline)
	lines := make([]string, 0, 2*len(fields))
	for _, f := range fields {
		lines = append(lines, f.Name, f.Value)
	}
	block := strings.Join(lines, "\n")
	f := wire.Frame{
		Kind: wire.FrameHead, Flags: wire.FlagEnd, Status: uint16(status),
		FieldBytes: uint32(len(block)), Fields: uint16(len(fields)), Payload: []byte(block),
	}
	number := r.Number
	a.loop.Post(func() {
		if !a.given[c] || c.Request.Number != number { // calls are used again
			return
		}
		if strings.HasPrefix(r.Path, "/parts/") {
			a.inParts(c, f, text)
			return
		}
		if path := r.Path; c.Direct.Answer(&f, python.Part{Body: []byte(text)}) {
			delete(a.given, c)
			a.direct <- path
			c.Direct.Done()
			return
		}
		a.Promote(c)
	})
}

// inParts answers in three parts, in a turn each.
func (a *app) inParts(c *python.Call, f wire.Frame, text string) {
	f.Flags = 0
	third := len(text) / 3
	if !c.Direct.Answer(&f, python.Part{Body: []byte(text[:third])}) {
		a.Promote(c)
		return
	}
	path, number := c.Request.Path, c.Request.Number
	gone := func() bool { return !a.given[c] || c.Request.Number != number } // calls are used again
	a.loop.Post(func() {
		if gone() {
			return
		}
		c.Direct.Part(python.Part{Body: []byte(text[third : 2*third])}, false)
		a.loop.Post(func() {
			if gone() {
				return
			}
			c.Direct.Part(python.Part{Body: []byte(text[2*third:])}, true)
			delete(a.given, c)
			a.direct <- path
			c.Direct.Done()
		})
	})
}

// Promote implements streams.Backend.
func (a *app) Promote(c *python.Call) {
	delete(a.given, c)
	c.Direct.Promote(exchange())
}

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
	front *front.Front
}

// start begins a service; looped has common requests served by the loop.
func start(t *testing.T, looped bool, change func(*front.Options)) *service {
	t.Helper()
	l, err := loop.New()
	if err != nil {
		t.Fatal(err)
	}
	a := &app{loop: l, direct: make(chan string, 10000), began: make(chan string, 10000), left: make(chan string, 10000), given: map[*python.Call]bool{}}
	discard := slog.New(slog.DiscardHandler)
	rules, err := forward.New(forward.Options{Log: discard})
	if err != nil {
		t.Fatal(err)
	}
	p := pipeline.New(pipeline.Options{
		Backend: a, Forward: rules, RequestBuffering: true, ResponseBuffering: true, Body: buffer.Options{Dir: t.TempDir()},
		Response: buffer.SpoolOptions{Dir: t.TempDir(), Budget: buffer.NewBudget(1 << 20)}, Log: discard,
	})
	server := &http1.Server{
		Handler: p, Adds: http1.Adds{Name: "test"}, HeaderTimeout: patience, BodyTimeout: patience, WriteTimeout: patience, KeepAlive: patience, MaxBody: 1 << 20, Log: discard,
	}
	o := front.Options{HTTP1: server, Log: discard, Events: front.Events{Loop: l}, HTTP2Cleartext: true, Streams: 20, Window: 65535, Frame: 16384, HeaderList: 65536}
	if change != nil {
		change(&o)
	}
	if looped {
		o.Events.Backend, o.Events.Pipeline = a, p
		o.Direct = func(h front.Host) front.Direct {
			return direct.New(direct.Options{Loop: l, Backend: a, HTTP: server, Pipeline: p, Host: h})
		}
	}
	f, err := front.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); l.Run() }()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	served := make(chan struct{})
	go func() { defer close(served); f.Serve(listener, "") }()
	t.Cleanup(func() {
		f.Close()
		<-served
		l.Stop()
		<-ended
	})
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
	_ = conn.SetDeadline(time.Now().Add(patience))
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
	return &http.Client{Transport: transport, Timeout: patience}
}

func wait[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case v := <-c:
		return v
	case <-timer.C:
		t.Fatalf("%s: nothing happens", what)
		panic("not reached")
	}
}

// Taken implements streams.Backend.
func (a *app) Taken(*python.Call, int) {}

// Abandon implements streams.Backend.
func (a *app) Abandon(c *python.Call) {
	delete(a.given, c)
	a.left <- c.Request.Path
}

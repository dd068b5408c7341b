//go:build linux

package http1loop_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/dispatch"
	"github.com/gonicorn/gonicorn/gateway/gatewaytest"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/gateway/pipeline/forward"
	"github.com/gonicorn/gonicorn/gateway/proxy"
)

// script is what a command sends on a connection for one request: pieces, each in
// a segment of its own. It closes the connection behind "close".
type script []string

const closes = "close"

// command is a worker that answers by scripts, by path; it echoes other requests.
func command(t *testing.T, scripts map[string]script) net.Addr {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return gatewaytest.Scripted(t, l, func(_ int, c net.Conn, in *bufio.Reader) {
		for follow(c, in, scripts) {
		}
	})
}

// follow answers one request, and reports whether another may come.
func follow(c net.Conn, in *bufio.Reader, scripts map[string]script) bool {
	r, err := http.ReadRequest(in)
	if err != nil {
		return false
	}
	body, _ := io.ReadAll(r.Body)
	s, ok := scripts[r.URL.Path]
	if !ok {
		text := fmt.Sprintf("%s %s %s %s %s %s", r.Method, r.URL, r.Host, r.Header.Get("X-Forwarded-Proto"), r.Header.Get("X-Forwarded-For"), body)
		s = script{fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text)}
	}
	for i, p := range s {
		if p == closes {
			return false
		}
		if i > 0 {
			time.Sleep(5 * time.Millisecond) // a segment of its own
		}
		if _, err := io.WriteString(c, p); err != nil {
			return false
		}
	}
	return true
}

// counted counts what the loop has answered.
type counted struct {
	*proxy.Backend
	done atomic.Int64
}

type countedCaller struct {
	gateway.Caller
	of *counted
}

func (c countedCaller) Done() {
	c.of.done.Add(1)
	c.Caller.Done()
}

type countedCall struct {
	gateway.Call
	of *counted
}

func (c countedCall) Submit(from gateway.Caller, r *gateway.Request) {
	c.Call.Submit(countedCaller{from, c.of}, r)
}

func (b *counted) NewCall() gateway.Call { return countedCall{b.Backend.NewCall(), b} }

// gate is a front before a command.
type gate struct {
	addr    string
	backend *counted
}

func openGate(t *testing.T, way gatewaytest.Way, worker net.Addr) *gate {
	t.Helper()
	l, err := loop.New()
	if err != nil {
		t.Fatal(err)
	}
	b := &counted{Backend: proxy.New(proxy.Options{Loop: l, Pool: dispatch.New(100, testTimeout)})}
	b.Update([]gateway.Worker{{PID: 1000, Network: worker.Network(), Address: worker.String(), Capacity: 16}})
	site := gatewaytest.New(t, l, b, forward.Options{Append: true})
	site.HTTP1.MaxBody, site.Way = 0, way
	t.Cleanup(func() {
		if st := b.Pool.Stats(); st.InFlight != 0 {
			t.Errorf("left behind: %+v", st)
		}
	})
	_, addr := site.Listen(t, func() { b.Update(nil) })
	return &gate{addr: addr, backend: b}
}

// ask sends a request twice over one connection and tells what comes back.
func (g *gate) ask(t *testing.T, method, path, body string) string {
	t.Helper()
	c, err := net.Dial("tcp", g.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(testTimeout))
	in := bufio.NewReader(c)
	var said bytes.Buffer
	for range 2 {
		if _, err := fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", method, path, len(body), body); err != nil {
			break
		}
		for {
			r, err := http.ReadResponse(in, &http.Request{Method: method})
			if err != nil {
				fmt.Fprintln(&said, "no answer", errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF))
				return said.String()
			}
			got, err := io.ReadAll(r.Body)
			if strings.HasPrefix(path, "/cut") && (err != nil || r.StatusCode >= 500) {
				return "failed, in one of several ways"
			}
			r.Header.Del("Date")
			r.Header.Del("X-Request-Id")
			if r.StatusCode >= 500 {
				got = nil // a page with the request's id
				r.ContentLength = 0
				r.Header.Del("Content-Length")
			}
			fmt.Fprintln(&said, r.Status, r.Header, r.ContentLength, r.TransferEncoding, r.Close, err, r.Trailer, len(got), head(got))
			if err != nil {
				return said.String()
			}
			if r.StatusCode >= 200 {
				break
			}
		}
	}
	return said.String()
}

func head(p []byte) string { return fmt.Sprintf("%.200s", p) }

// What a client gets of a command's answer does not depend on who carries it. Of
// each case it is said whether the loop does.
func TestBothWaysCarryCommands(t *testing.T) { gatewaytest.OnEachLoop(t, testBothWaysCarryCommands) }

func testBothWaysCarryCommands(t *testing.T, way gatewaytest.Way) {
	const ok, chunked = "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	large := strings.Repeat("0123456789abcdef", 1<<16)
	chunks := strings.Repeat("1000\r\n"+strings.Repeat("x", 4096)+"\r\n", 100)
	scripts := map[string]script{
		"/length":       {ok + "Content-Length: 2\r\n\r\nok"},
		"/none":         {ok + "Content-Length: 0\r\n\r\n"},
		"/parts":        {ok + "Content-Length: 6\r\n\r\n", "abc", "def"},
		"/late":         {ok + "Content-Length: 6\r\n", "\r\nabcdef"},
		"/bytes":        {"HTT", "P/1.1 20", "0 OK\r", "\nContent-Length: 2\r\n", "\r\no", "k"},
		"/chunked":      {chunked + "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"},
		"/chunks":       {chunked, "3\r\nab", "c\r\n2;a=b\r\nde\r\n", "0\r\n\r\n"},
		"/trailers":     {chunked + "3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n"},
		"/trailers2":    {chunked + "3\r\nabc\r\n", "0\r\nX-Sum: 1\r\n\r\n"},
		"/until":        {ok + "\r\nabc", "def", closes},
		"/once":         {ok + "Connection: close\r\nContent-Length: 2\r\n\r\nok", closes},
		"/1.0":          {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", closes},
		"/more":         {ok + "Content-Length: 2\r\n\r\nokrubbish", closes},
		"/204":          {"HTTP/1.1 204 No Content\r\n\r\n"},
		"/304":          {"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 9\r\n\r\n"},
		"/reason":       {"HTTP/1.1 299 Quite Fine\r\nContent-Length: 0\r\nX-Own: a\r\nX-Own: b\r\nConnection: x-hop\r\nX-Hop: c\r\n\r\n"},
		"/interim":      {"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + ok + "Content-Length: 2\r\n\r\nok"},
		"/100":          {"HTTP/1.1 100 Continue\r\n\r\n", ok + "Content-Length: 2\r\n\r\nok"},
		"/large":        {ok + "Content-Length: 1048576\r\n\r\n" + large},
		"/chunkslarge":  {chunked + chunks, chunks + "0\r\n\r\n"},
		"/untillarge":   {ok + "\r\n" + large, closes},
		"/malformed":    {"HTTP/1.1 2000 OK\r\n\r\n"},
		"/badvalue":     {ok + "A: \x01\r\nContent-Length: 0\r\n\r\n"},
		"/badchunk":     {chunked + "zz\r\n"},
		"/badchunk2":    {chunked + "3\r\nabc\r\n", "zz\r\n", closes},
		"/silent":       {closes},
		"/half":         {ok + "Conte", closes},
		"/cut":          {ok + "Content-Length: 6\r\n\r\nabc", closes},
		"/cutlarge":     {ok + "Content-Length: 2000000\r\n\r\n" + large, closes},
		"/cutchunk":     {chunked + "6\r\nabc", closes},
		"/unasked":      {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"},
		"/plain":        {ok + "X-Accel-Buffering: no\r\nContent-Length: 2\r\n\r\nok"},
		"/events":       {ok + "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n", "3\r\na\n\n\r\n", "0\r\n\r\n"},
		"/keepalive":    {ok + "Keep-Alive: timeout=1\r\nContent-Length: 2\r\n\r\nok"},
		"/manyfields":   {ok + strings.Repeat("X-A: b\r\n", 900) + "Content-Length: 2\r\n\r\nok"},
		"/toomany":      {ok + strings.Repeat("X-A: b\r\n", 1100) + "Content-Length: 2\r\n\r\nok"},
		"/folded":       {ok + "X-A: b\r\n c\r\nContent-Length: 2\r\n\r\nok"},
		"/lengthtwice":  {ok + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nok"},
		"/bothframings": {ok + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
	}
	worker := command(t, scripts)
	loops, goroutines := openGate(t, way, worker), openGate(t, gatewaytest.InGoroutines, worker)
	for name, c := range map[string]struct {
		method, path, body string
		looped             int64 // of two requests; -1: it may be either
	}{
		"echo":            {"GET", "/echo?a=b", "", 2},
		"post":            {"POST", "/echo", "abc", 2},
		"post of 30 KiB":  {"POST", "/echo", strings.Repeat("x", 30<<10), 2},
		"post of 100 KiB": {"POST", "/echo", strings.Repeat("x", 100<<10), 0},
		"put":             {"PUT", "/echo", "abc", 2},
		"head":            {"HEAD", "/length", "", 2},
		"head of chunks":  {"HEAD", "/chunkshead", "", 2},
		"options":         {"OPTIONS", "/echo", "", 2},
		"length":          {"GET", "/length", "", 2},
		"none":            {"GET", "/none", "", 2},
		"parts":           {"GET", "/parts", "", 2},
		"late":            {"GET", "/late", "", 2},
		"bytes":           {"GET", "/bytes", "", 2},
		"chunked":         {"GET", "/chunked", "", 2},
		"chunks":          {"GET", "/chunks", "", 2},
		"trailers":        {"GET", "/trailers", "", -1},
		"late trailers":   {"GET", "/trailers2", "", -1},
		"until close":     {"GET", "/until", "", 2},
		"once":            {"GET", "/once", "", 2},
		"1.0":             {"GET", "/1.0", "", 2},
		"more than asked": {"GET", "/more", "", 2},
		"204":             {"GET", "/204", "", 2},
		"304":             {"GET", "/304", "", 2},
		"reason":          {"GET", "/reason", "", 2},
		"interim":         {"GET", "/interim", "", 0},
		"100":             {"GET", "/100", "", 0},
		"large":           {"GET", "/large", "", -1},
		"many chunks":     {"GET", "/chunkslarge", "", -1},
		"large until":     {"GET", "/untillarge", "", -1},
		"malformed":       {"GET", "/malformed", "", 0},
		"bad value":       {"GET", "/badvalue", "", 0},
		"bad chunk":       {"GET", "/badchunk", "", -1},
		"bad chunk later": {"GET", "/badchunk2", "", 0},
		"silent":          {"POST", "/silent", "a", 0},
		"half a head":     {"POST", "/half", "a", 0},
		"cut":             {"GET", "/cut", "", 0},
		"cut when large":  {"GET", "/cutlarge", "", 0},
		"cut in a chunk":  {"GET", "/cutchunk", "", 0},
		"unasked upgrade": {"GET", "/unasked", "", 0},
		"plain":           {"GET", "/plain", "", 2},
		"events":          {"GET", "/events", "", 2},
		"keep-alive":      {"GET", "/keepalive", "", 2},
		"many fields":     {"GET", "/manyfields", "", 2},
		"too many fields": {"GET", "/toomany", "", 0},
		"folded":          {"GET", "/folded", "", 2},
		"length twice":    {"GET", "/lengthtwice", "", 2},
		"both framings":   {"GET", "/bothframings", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			want := goroutines.ask(t, c.method, c.path, c.body)
			before := loops.backend.done.Load()
			if got := loops.ask(t, c.method, c.path, c.body); got != want {
				t.Errorf("the loop answers\n%s\na goroutine\n%s", got, want)
			}
			n := func() int64 { return loops.backend.done.Load() - before }
			for deadline := time.Now().Add(testTimeout); n() < c.looped && time.Now().Before(deadline); {
				time.Sleep(time.Millisecond) // the client has its answer before the backend hears of it
			}
			if c.looped >= 0 && n() != c.looped {
				t.Errorf("the loop has answered %d, want %d", n(), c.looped)
			}
		})
	}
}

// A client that takes nothing of a long answer holds up its worker for a moment only,
// and gets all of it when it goes on.
func TestSlowClientHoldsNoCommand(t *testing.T) {
	gatewaytest.OnEachLoop(t, testSlowClientHoldsNoCommand)
}

func testSlowClientHoldsNoCommand(t *testing.T, way gatewaytest.Way) {
	const size = 16 << 20
	body := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	for name, framed := range map[string]script{
		"length":  {fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", size, body)},
		"chunked": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", size, body)},
	} {
		t.Run(name, func(t *testing.T) {
			g := openGate(t, way, command(t, map[string]script{"/large": framed}))
			c, err := net.Dial("tcp", g.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(testTimeout))
			if _, err := io.WriteString(c, "GET /large HTTP/1.1\r\nHost: a"+end); err != nil {
				t.Fatal(err)
			}
			in := bufio.NewReader(c)
			r, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			for deadline := time.Now().Add(testTimeout); g.backend.Pool.Stats().InFlight > 0; {
				if time.Now().After(deadline) {
					t.Fatal("the worker waits for the client")
				}
				time.Sleep(time.Millisecond)
			}
			got, err := io.ReadAll(r.Body)
			if err != nil || !bytes.Equal(got, body) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
}

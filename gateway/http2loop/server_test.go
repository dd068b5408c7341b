//go:build linux

package http2loop_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway/accept"
	"github.com/gonicorn/gonicorn/gateway/gatewaytest"
	"golang.org/x/net/http2"
)

// aCase is a request.
type aCase struct {
	fields []string
	body   []int // bytes of DATA frames; the last one ends the stream, unless it is below 0
	looped int   // requests that the loop answers
}

// say sends the request and returns what comes of it.
func (a aCase) say(t *testing.T, s *service) string {
	t.Helper()
	c := s.dial(t)
	defer c.Close()
	id := c.send(len(a.body) == 0, a.fields...)
	for i, n := range a.body {
		if n >= 0 {
			_ = c.WriteData(id, i == len(a.body)-1, bytes.Repeat([]byte("b"), n)) // it may be refused already
		}
	}
	return c.outcome(id)
}

// What a client gets does not depend on who serves it. Of each case it is said
// whether the loop does.
func TestBothWaysAnswerTheSame(t *testing.T) { gatewaytest.OnEachLoop(t, testBothWaysAnswerTheSame) }

func testBothWaysAnswerTheSame(t *testing.T, way gatewaytest.Way) {
	hurry := func(o *accept.Options) { o.HTTP1.BodyTimeout = 300 * time.Millisecond }
	loops, goroutines := start(t, way, hurry), start(t, gatewaytest.InGoroutines, hurry)
	for name, c := range map[string]aCase{
		"get":                 {ask("GET", "/a?b=c"), nil, 1},
		"head":                {ask("HEAD", "/"), nil, 1},
		"options":             {ask("OPTIONS", "*"), nil, 1},
		"204":                 {ask("GET", "/status/204"), nil, 1},
		"304":                 {ask("GET", "/status/304"), nil, 1},
		"status of its own":   {ask("GET", "/status/799"), nil, 1},
		"30 KiB":              {ask("GET", "/long/30720"), nil, 1},
		"60 KB":               {ask("GET", "/long/60000"), nil, 1},
		"in parts":            {ask("GET", "/parts/30000"), nil, 1},
		"broken answer":       {ask("GET", "/break"), nil, 0},
		"promoted":            {ask("POST", "/promote"), []int{3}, 0},
		"post":                {ask("POST", "/", "content-length", "3"), []int{3}, 1},
		"post in parts":       {ask("POST", "/", "content-length", "6"), []int{3, 0, 3, 0}, 1},
		"post without length": {ask("POST", "/"), []int{3, 3}, 1},
		"post of nothing":     {ask("POST", "/", "content-length", "0"), []int{0}, 1},
		"nothing, with more":  {ask("POST", "/", "content-length", "0"), []int{1}, 0},
		"post of 40 KiB":      {ask("POST", "/", "content-length", "40960"), []int{16384, 16384, 8192}, 1},
		"40 KiB and one":      {ask("POST", "/", "content-length", "40961"), []int{16384, 16384, 8193}, 0},
		"more than 40 KiB":    {ask("POST", "/"), []int{16384, 16384, 8192, 1}, 0},
		"body too short":      {ask("POST", "/", "content-length", "7"), []int{3, 3}, 0},
		"body too long":       {ask("POST", "/", "content-length", "5"), []int{3, 3}, 0},
		"length too large":    {ask("POST", "/", "content-length", "9999999"), []int{1}, 0},
		"body too slow":       {ask("POST", "/", "content-length", "7"), []int{3, -1}, 0},
		"expects":             {ask("POST", "/", "expect", "100-continue", "content-length", "3"), []int{3}, 1},
		"expects a miracle":   {ask("POST", "/", "expect", "miracle"), []int{3}, 0},
		"connect":             {[]string{":method", "CONNECT", ":authority", "a:1"}, nil, 0},
		"websocket":           {ask("CONNECT", "/", ":protocol", "websocket")[:8], nil, -1},
		"no host":             {ask("GET", "/")[:4], nil, 0},
		"bad host":            {ask("GET", "/", "host", "b"), nil, 0},
		"long path":           {ask("GET", "/"+strings.Repeat("x", 5000)), nil, 0},
		"101 fields":          {append(ask("GET", "/"), strings.Split(strings.Repeat("x,y,", 101), ",")[:202]...), nil, 0},
		"70 KiB of fields":    {ask("GET", "/", "x", strings.Repeat("x", 35<<10), "y", strings.Repeat("x", 35<<10)), nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			got, want := c.say(t, loops), c.say(t, goroutines)
			if got != want {
				t.Errorf("the loop answers\n%q\na goroutine\n%q", got, want)
			}
			n := len(loops.app.Direct)
			for range n {
				<-loops.app.Direct
			}
			if c.looped >= 0 && n != c.looped {
				t.Errorf("the loop has answered %d, want %d: %q", n, c.looped, got)
			}
		})
	}
}

// Streams of one connection do not wait for each other.
func TestManyStreams(t *testing.T) { gatewaytest.OnEachLoop(t, testManyStreams) }

func testManyStreams(t *testing.T, way gatewaytest.Way) {
	s := start(t, way, nil)
	web := s.over(t)
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			path := "/long/" + strconv.Itoa(i*100)
			resp, err := web.Get("http://" + s.addr + path)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if body, err := io.ReadAll(resp.Body); err != nil || len(body) != i*100 {
				t.Errorf("%s: %d bytes and %v", path, len(body), err)
			}
		})
	}
	all.Wait()
	if n := len(s.app.Direct); n != 200 {
		t.Errorf("the loop has answered %d of 200", n)
	}
}

// A client that gives a request up that a worker has is one that has left; no more
// are in flight than may be.
func TestResetsReachTheBackend(t *testing.T) { gatewaytest.OnEachLoop(t, testResetsReachTheBackend) }

func testResetsReachTheBackend(t *testing.T, way gatewaytest.Way) {
	s := start(t, way, nil)
	c := s.dial(t)
	for range 20 {
		id := c.send(true, ask("GET", "/hold")...)
		gatewaytest.Wait(t, "request", s.app.Began)
		c.do(c.WriteRSTStream(id, http2.ErrCodeCancel))
		gatewaytest.Wait(t, "end", s.app.Left)
	}
	if got := c.outcome(c.send(true, ask("GET", "/")...)); !strings.HasPrefix(got, ":status=200") {
		t.Errorf("afterwards: %s", got)
	}
}

// A connection that ends takes its requests along.
func TestConnectionEndsWithRequests(t *testing.T) {
	gatewaytest.OnEachLoop(t, testConnectionEndsWithRequests)
}

func testConnectionEndsWithRequests(t *testing.T, way gatewaytest.Way) {
	s := start(t, way, nil)
	c := s.dial(t)
	for range 5 {
		c.send(true, ask("GET", "/hold")...)
		gatewaytest.Wait(t, "request", s.app.Began)
	}
	c.Close()
	for range 5 {
		gatewaytest.Wait(t, "end", s.app.Left)
	}
}

// What a client does not take of its responses waits for its windows, and is given
// up in time.
func TestResponsesWaitForWindows(t *testing.T) {
	gatewaytest.OnEachLoop(t, testResponsesWaitForWindows)
}

func testResponsesWaitForWindows(t *testing.T, way gatewaytest.Way) {
	s := start(t, way, func(o *accept.Options) { o.HTTP1.WriteTimeout = 300 * time.Millisecond })
	c := s.dial(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
	slow, gone := c.send(true, ask("GET", "/long/50")...), c.send(true, ask("GET", "/long/60")...)
	got := 0
	for got < 50 {
		frame, err := c.ReadFrame()
		c.do(err)
		switch f := frame.(type) {
		case *http2.DataFrame:
			if f.StreamID == slow {
				got += len(f.Data())
				c.do(c.WriteWindowUpdate(slow, 10))
			}
		case *http2.RSTStreamFrame:
			if f.StreamID != gone {
				t.Fatalf("the slow one is reset after %d bytes", got)
			}
			gone = 0
		}
	}
	if gone != 0 {
		if got := c.outcome(gone); !strings.HasSuffix(got, "reset CANCEL") {
			t.Errorf("the one that takes nothing: %s", got)
		}
	}
}

// An answer in parts of which the client takes nothing more is dropped with it.
func TestResetInTheMiddleOfParts(t *testing.T) {
	gatewaytest.OnEachLoop(t, testResetInTheMiddleOfParts)
}

func testResetInTheMiddleOfParts(t *testing.T, way gatewaytest.Way) {
	s := start(t, way, nil)
	c := s.dial(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
	for range 5 {
		id := c.send(true, ask("GET", "/parts/300")...)
		for got := 0; got < 10; {
			frame, err := c.ReadFrame()
			c.do(err)
			if f, is := frame.(*http2.DataFrame); is && f.StreamID == id {
				got += len(f.Data())
			}
		}
		c.do(c.WriteRSTStream(id, http2.ErrCodeCancel))
	}
	if got := c.outcome(c.send(true, ask("GET", "/status/204")...)); !strings.HasPrefix(got, ":status=204") {
		t.Errorf("afterwards: %s", got)
	}
}

// Draining answers what is in flight and what comes before the client knows.
func TestDrain(t *testing.T) { gatewaytest.OnEachLoop(t, testDrain) }

func testDrain(t *testing.T, way gatewaytest.Way) {
	s := start(t, way, nil)
	c := s.dial(t)
	c.send(true, ask("GET", "/hold")...)
	gatewaytest.Wait(t, "request", s.app.Began)
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { defer close(done); s.front.Drain(ctx) }()
	if got := c.outcome(99); got != "away NO_ERROR" {
		t.Errorf("told %s", got)
	}
	if got := c.outcome(c.send(true, ask("GET", "/late")...)); !strings.HasPrefix(got, ":status=200") {
		t.Errorf("the late request: %s", got)
	}
	cancel()
	gatewaytest.Wait(t, "end of what was held", s.app.Left)
	gatewaytest.Wait(t, "Drain", done)
}

// A body that comes with its trailers goes to a goroutine, as they do.
func TestTrailersLeaveTheLoop(t *testing.T) { gatewaytest.OnEachLoop(t, testTrailersLeaveTheLoop) }

func testTrailersLeaveTheLoop(t *testing.T, way gatewaytest.Way) {
	s := start(t, way, nil)
	q, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+s.addr+"/", io.NopCloser(strings.NewReader("abc")))
	if err != nil {
		t.Fatal(err)
	}
	q.Trailer = http.Header{"X-Sum": {"1"}}
	resp, err := s.over(t).Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || !strings.HasSuffix(string(body), "abc") || len(s.app.Direct) != 0 {
		t.Errorf("got %q and %v", body, err)
	}
}

// HTTP/1 is served on the same port, in whatever pieces it comes.
func TestBothVersionsOnOnePort(t *testing.T) { gatewaytest.OnEachLoop(t, testBothVersionsOnOnePort) }

func testBothVersionsOnOnePort(t *testing.T, way gatewaytest.Way) {
	s := start(t, way, nil)
	for _, parts := range [][]string{{"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"}, {"P", "RI /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"}} {
		c := s.dialPlain(t)
		for _, p := range parts {
			if _, err := io.WriteString(c, p); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond) // a segment of its own
		}
		if all, err := io.ReadAll(c); err != nil || !bytes.HasPrefix(all, []byte("HTTP/1.1 200")) {
			t.Errorf("%q: %q and %v", parts, all, err)
		}
	}
	c := s.dialPlain(t)
	for _, b := range []byte(http2.ClientPreface) {
		if _, err := c.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	f := http2.NewFramer(c, c)
	if err := f.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	if frame, err := f.ReadFrame(); err != nil || frame.Header().Type != http2.FrameSettings {
		t.Errorf("a preface in bytes: %v and %v", frame, err)
	}
}

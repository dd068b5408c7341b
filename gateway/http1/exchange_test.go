package http1_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/gatewaytest"
)

func TestResponseFraming(t *testing.T) {
	fields := []gateway.Field{{Name: "X-A", Value: "b"}, {Name: "Transfer-Encoding", Value: "gzip"}, {Name: "content-length", Value: "77"},
		{Name: "Connection", Value: "x-own"}, {Name: "X-Own", Value: "c"}, {Name: "Keep-Alive", Value: "timeout=5"}}
	for name, tc := range map[string]struct {
		request string
		status  int
		length  int64
		body    string
		want    string // the head's end and the body, behind Date
	}{
		"length":               {"GET / HTTP/1.1", 200, 2, "hi", "Content-Length: 2\r\n\r\nhi"},
		"no length":            {"GET / HTTP/1.1", 200, -1, "hi", "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"},
		"no length and empty":  {"GET / HTTP/1.1", 200, -1, "", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		"empty":                {"GET / HTTP/1.1", 200, 0, "", "Content-Length: 0\r\n\r\n"},
		"head":                 {"HEAD / HTTP/1.1", 200, 2, "hi", "Content-Length: 2\r\n\r\n"},
		"head without length":  {"HEAD / HTTP/1.1", 200, -1, "hi", "\r\n"},
		"204":                  {"GET / HTTP/1.1", 204, 2, "hi", "\r\n"},
		"304":                  {"GET / HTTP/1.1", 304, 2, "hi", "Content-Length: 2\r\n\r\n"},
		"304 without length":   {"GET / HTTP/1.1", 304, -1, "", "\r\n"},
		"close":                {"GET / HTTP/1.1\r\nConnection: close", 200, 2, "hi", "Content-Length: 2\r\nConnection: close\r\n\r\nhi"},
		"1.0":                  {"GET / HTTP/1.0", 200, 2, "hi", "Content-Length: 2\r\nConnection: close\r\n\r\nhi"},
		"1.0 kept":             {"GET / HTTP/1.0\r\nConnection: keep-alive", 200, 2, "hi", "Content-Length: 2\r\nConnection: keep-alive\r\n\r\nhi"},
		"1.0 without length":   {"GET / HTTP/1.0\r\nConnection: keep-alive", 200, -1, "hi", "Connection: close\r\n\r\nhi"},
		"long, without length": {"GET / HTTP/1.1", 200, -1, strings.Repeat("x", 5000), "Transfer-Encoding: chunked\r\n\r\n1388\r\n" + strings.Repeat("x", 5000) + "\r\n0\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			s := gatewaytest.Lasting(app(func(_ context.Context, _ *gateway.Request, w gateway.Reply) {
				if err := w.Head(tc.status, "", fields, tc.length); err != nil {
					t.Error(err)
				}
				if _, err := io.WriteString(w, tc.body); err != nil {
					t.Error(err)
				}
				if err := w.End(nil); err != nil {
					t.Error(err)
				}
			}))
			s.Adds.Name = "gonicorn"
			c := start(t, s).dial(t).send(tc.request + "\r\nHost: a\r\n\r\n")
			if err := c.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(c.in)
			if err != nil {
				t.Fatal(err)
			}
			head, rest, _ := strings.Cut(string(got), "\r\nServer: gonicorn\r\nDate: ")
			status, field, _ := strings.Cut(head, "\r\n")
			date, rest, _ := strings.Cut(rest, "\r\n")
			if _, err := http.ParseTime(date); err != nil || field != "X-A: b" || rest != tc.want {
				t.Errorf("status %q, fields %q, date %q, rest %q", status, field, date, rest)
			}
		})
	}
}

func TestServerAndDateOfTheAppStay(t *testing.T) {
	s := gatewaytest.Lasting(app(func(_ context.Context, _ *gateway.Request, w gateway.Reply) {
		_ = w.Head(200, "Fine", []gateway.Field{{Name: "server", Value: "app"}, {Name: "date", Value: "now"}}, 0)
		_ = w.End(nil)
	}))
	s.Adds.Name = "gonicorn"
	q := start(t, s).dial(t).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").want(200, "")
	if got := q.Header; len(got["Server"]) != 1 || got.Get("Server") != "app" || len(got["Date"]) != 1 || got.Get("Date") != "now" || q.Status != "200 Fine" {
		t.Errorf("%s %v", q.Status, got)
	}
}

// TestBadResponses has the handler say what HTTP has no way to say.
func TestBadResponses(t *testing.T) {
	one := func(name, value string) []gateway.Field { return []gateway.Field{{Name: name, Value: value}} }
	for name, say := range map[string]func(w gateway.Reply) error{
		"status 99":       func(w gateway.Reply) error { return w.Head(99, "", nil, 0) },
		"status 100":      func(w gateway.Reply) error { return w.Head(100, "", nil, 0) },
		"status 1000":     func(w gateway.Reply) error { return w.Head(1000, "", nil, 0) },
		"reason split":    func(w gateway.Reply) error { return w.Head(200, "OK\r\nX: y", nil, 0) },
		"value split":     func(w gateway.Reply) error { return w.Head(200, "", one("X", "a\r\nSet-Cookie: b"), 0) },
		"value with LF":   func(w gateway.Reply) error { return w.Head(200, "", one("X", "a\nb"), 0) },
		"value with NUL":  func(w gateway.Reply) error { return w.Head(200, "", one("X", "a\x00"), 0) },
		"name split":      func(w gateway.Reply) error { return w.Head(200, "", one("X: y\r\nZ", "a"), 0) },
		"name with space": func(w gateway.Reply) error { return w.Head(200, "", one("X ", "a"), 0) },
		"empty name":      func(w gateway.Reply) error { return w.Head(200, "", one("", "a"), 0) },
		"hints split":     func(w gateway.Reply) error { return w.Interim(103, one("Link", "a\r\n\r\nHTTP/1.1 200 OK")) },
		"no head":         func(w gateway.Reply) error { _, err := w.Write([]byte("x")); return err },
		"end only":        func(w gateway.Reply) error { return w.End(nil) },
		"upgrade":         func(w gateway.Reply) error { _, err := w.Upgrade(101, nil); return err },
		"body too long": func(w gateway.Reply) error {
			_ = w.Head(200, "", nil, 1)
			_, err := w.Write([]byte("xx"))
			return err
		},
		"body too short": func(w gateway.Reply) error {
			_ = w.Head(200, "", nil, 2)
			_, _ = w.Write([]byte("x"))
			return w.End(nil)
		},
		"two heads": func(w gateway.Reply) error {
			_ = w.Head(200, "", nil, 0)
			return w.Head(200, "", nil, 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			said := make(chan error, 1)
			v := start(t, gatewaytest.Lasting(app(func(_ context.Context, _ *gateway.Request, w gateway.Reply) { said <- say(w) })))
			c := v.dial(t).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			var bad *gateway.BadResponse
			if err := gatewaytest.Wait(t, "answer", said); !errors.As(err, &bad) {
				t.Errorf("got %v, want a BadResponse", err)
			}
			c.want(500, "")
			c.wantEnd()
		})
	}
}

// TestCutResponses has responses end too early once bytes are out.
func TestCutResponses(t *testing.T) {
	for name, tc := range map[string]struct {
		version string
		length  int64
		reset   bool
	}{
		"length":      {"1.1", 10, false},
		"chunked":     {"1.1", -1, false},
		"until close": {"1.0", -1, true},
	} {
		for _, how := range []string{"returns", "panics"} {
			t.Run(name+" "+how, func(t *testing.T) {
				read := make(chan bool)
				var log bytes.Buffer
				s := gatewaytest.Lasting(app(func(_ context.Context, _ *gateway.Request, w gateway.Reply) {
					_ = w.Head(200, "", nil, tc.length)
					_, _ = io.WriteString(w, "half")
					_ = w.Flush()
					<-read
					if how == "panics" {
						panic("oops")
					}
				}))
				s.Log = slog.New(slog.NewTextHandler(&log, nil))
				v := start(t, s)
				c := v.dial(t).send("GET / HTTP/" + tc.version + "\r\nHost: a\r\n\r\n")
				q, err := http.ReadResponse(c.in, nil)
				if err != nil {
					t.Fatal(err)
				}
				half := make([]byte, 4)
				if _, err := io.ReadFull(q.Body, half); err != nil || string(half) != "half" {
					t.Fatalf("%q %v", half, err)
				}
				close(read)
				if _, err := io.ReadAll(q.Body); err == nil {
					t.Error("the client cannot tell that the body is cut")
				}
				v.stop()
				if logged := strings.Contains(log.String(), "oops"); logged != (how == "panics") {
					t.Errorf("log: %s", log.String())
				}
			})
		}
	}
}

func TestPanicBeforeTheResponseIs500(t *testing.T) {
	v := start(t, gatewaytest.Lasting(app(func(context.Context, *gateway.Request, gateway.Reply) { panic("oops") })))
	c := v.dial(t).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	c.want(500, "")
	c.wantEnd()
	v.dial(t).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").want(500, "") // the server lives
}

func TestTrailersBothWays(t *testing.T) {
	v := start(t, gatewaytest.Lasting(app(func(_ context.Context, r *gateway.Request, w gateway.Reply) {
		body, err := gatewaytest.BodyOf(r)
		if err != nil {
			t.Error(err)
		}
		_ = w.Head(200, "", []gateway.Field{{Name: "trailer", Value: "x-sum"}}, -1)
		_, _ = w.Write(body)
		_ = w.End(append(r.Body.Trailers(), gateway.Field{Name: "content-length", Value: "5"}, gateway.Field{Name: "x", Value: "a\r\nb"}))
	})))
	c := v.dial(t).send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n")
	q := c.want(200, "hi")
	if len(q.Trailer) != 1 || q.Trailer.Get("X-Sum") != "7" {
		t.Errorf("trailers %v", q.Trailer)
	}
}

func TestContinueIsSentWhenTheBodyIsRead(t *testing.T) {
	read := make(chan bool)
	v := start(t, gatewaytest.Lasting(app(func(ctx context.Context, r *gateway.Request, w gateway.Reply) {
		<-read
		repeat(ctx, r, w)
	})))
	c := v.dial(t).send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
	if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.in.ReadByte(); err == nil {
		t.Fatal("the client is invited before anybody wants the body")
	}
	if err := c.SetReadDeadline(time.Now().Add(testTimeout)); err != nil {
		t.Fatal(err)
	}
	close(read)
	c.want(100, "")
	c.send("hi").want(200, "POST / a hi")
	c.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n").want(200, "GET /next a")
}

func TestAnswerInsteadOfContinueCloses(t *testing.T) {
	v := start(t, gatewaytest.Lasting(app(func(_ context.Context, _ *gateway.Request, w gateway.Reply) { gatewaytest.Say(w, 403, "no") })))
	c := v.dial(t).send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
	if q := c.want(403, "no"); !q.Close {
		t.Error("whether a body follows is not known, but the connection is kept")
	}
	c.wantEnd()
}

func TestEarlyHints(t *testing.T) {
	v := start(t, gatewaytest.Lasting(app(func(_ context.Context, _ *gateway.Request, w gateway.Reply) {
		for range 2 {
			if err := w.Interim(103, []gateway.Field{{Name: "link", Value: "</a>"}, {Name: "content-length", Value: "3"}}); err != nil {
				t.Error(err)
			}
		}
		if w.Started() {
			t.Error("hints are no final response")
		}
		gatewaytest.Say(w, 200, "hi")
	})))
	c := v.dial(t).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	for range 2 {
		if q := c.want(103, ""); q.Header.Get("Link") != "</a>" || len(q.Header) != 1 {
			t.Errorf("%v", q.Header)
		}
	}
	c.want(200, "hi")
	v.dial(t).send("GET / HTTP/1.0\r\n\r\n").want(200, "hi") // takes none
}

func TestUnreadBodyIsSkippedOrCloses(t *testing.T) {
	v := start(t, gatewaytest.Lasting(app(func(_ context.Context, _ *gateway.Request, w gateway.Reply) { gatewaytest.Say(w, 200, "hi") })))
	small := strings.Repeat("x", 100<<10)
	c := v.dial(t)
	c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 102400\r\n\r\n" + small + "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	c.want(200, "hi")
	c.want(200, "hi")

	// The client sends all of a large body before it looks for the answer.
	c = v.dial(t).send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
	for range 10 {
		c.send(small[:100000])
	}
	if q := c.want(200, "hi"); !q.Close {
		t.Error("a megabyte is read for the sake of a connection")
	}
	c.wantEnd()
}

func TestTooLargeABodyIsRefusedBeforeItComes(t *testing.T) {
	s := gatewaytest.Lasting(app(repeat))
	s.MaxBody = 10
	c := start(t, s).dial(t).send("POST /up HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n")
	c.want(413, "POST /up: request body too large")
	c.wantEnd()
}

// TestBothWaysAtOnce has the body and the answer stream at the same time, from
// two goroutines.
func TestBothWaysAtOnce(t *testing.T) {
	v := start(t, gatewaytest.Lasting(app(func(_ context.Context, r *gateway.Request, w gateway.Reply) {
		parts := make(chan []byte)
		go func() {
			defer close(parts)
			for {
				p := make([]byte, 16)
				n, err := r.Body.Stream.Read(p)
				parts <- p[:n]
				if err != nil {
					return
				}
			}
		}()
		_ = w.Interim(103, nil)
		_ = w.Head(200, "", nil, -1)
		_ = w.Flush()
		for p := range parts {
			_, _ = w.Write(p)
			_ = w.Flush()
		}
		_ = w.End(nil)
	})))
	for range 20 {
		c := v.dial(t).send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
		q, err := http.ReadResponse(c.in, nil)
		for err == nil && q.StatusCode < 200 {
			q, err = http.ReadResponse(c.in, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"ping", "pong"} {
			c.send("4\r\n" + word + "\r\n")
			got := make([]byte, 4)
			if _, err := io.ReadFull(q.Body, got); err != nil || string(got) != word {
				t.Fatalf("%q %v", got, err)
			}
		}
		c.send("0\r\n\r\n")
		if rest, err := io.ReadAll(q.Body); err != nil || len(rest) > 0 {
			t.Fatalf("%q %v", rest, err)
		}
	}
}

func TestUpgradeHandsTheConnectionOver(t *testing.T) {
	v := start(t, gatewaytest.Lasting(app(func(_ context.Context, r *gateway.Request, w gateway.Reply) {
		conn, err := w.Upgrade(101, []gateway.Field{{Name: "sec-websocket-accept", Value: "x"}, {Name: "connection", Value: "close"}})
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		if !w.Started() || r.Upgrade != "websocket" {
			t.Errorf("started %v, upgrade %q", w.Started(), r.Upgrade)
		}
		all, err := io.ReadAll(conn)
		if err != nil {
			t.Error(err)
		}
		_, _ = conn.Write(all)
	})))
	c := v.dial(t).send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\nfirst, ")
	q := c.want(101, "")
	if q.Header.Get("Connection") != "Upgrade" || q.Header.Get("Upgrade") != "websocket" || q.Header.Get("Sec-Websocket-Accept") != "x" {
		t.Errorf("%v", q.Header)
	}
	if err := c.send("second").CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c.in); err != nil || string(got) != "first, second" {
		t.Errorf("%q %v", got, err)
	}
}

// TestRefusalsTellWhatWasUnderstood looks at what Refuse gets.
func TestRefusalsTellWhatWasUnderstood(t *testing.T) {
	v := start(t, gatewaytest.Lasting(app(repeat)))
	v.dial(t).send("GET /a?b HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n").want(400, "GET /a: space before a header field's colon")
	v.dial(t).send("GET /a?b HTTP/1.1\r\n\r\n").want(400, "GET /a: no Host field")
	c := v.dial(t).send("HEAD /a HTTP/1.1\r\n\r\n")
	if q, err := c.read("HEAD"); err != nil || q.StatusCode != 400 {
		t.Errorf("%v %v", q, err)
	}
	c.wantEnd()
}

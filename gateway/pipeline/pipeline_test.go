package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/pipeline/accesslog"
	"github.com/gonicorn/gonicorn/gateway/pipeline/buffer"
	"github.com/gonicorn/gonicorn/gateway/pipeline/forward"
	"github.com/gonicorn/gonicorn/gateway/pipeline/sendfile"
)

// backend answers with a function; calls counts the tries.
type backend struct {
	calls int
	serve func(try int, ctx context.Context, r *gateway.Request, w gateway.Reply) error
}

func (b *backend) Update([]gateway.Worker) {}
func (b *backend) Serve(ctx context.Context, r *gateway.Request, w gateway.Reply) error {
	b.calls++
	return b.serve(b.calls, ctx, r, w)
}

// client is the front's Reply.
type client struct {
	status   int
	fields   []gateway.Field
	length   int64
	body     bytes.Buffer
	flushed  chan struct{} // gets one element at the first Flush
	ended    bool
	interims []int
}

func newClient() *client { return &client{flushed: make(chan struct{}, 1)} }

func (c *client) Interim(status int, _ []gateway.Field) error {
	c.interims = append(c.interims, status)
	return nil
}
func (c *client) Head(status int, _ string, fields []gateway.Field, length int64) error {
	c.status, c.fields, c.length = status, fields, length
	return nil
}
func (c *client) Write(p []byte) (int, error) { return c.body.Write(p) }
func (c *client) WriteFile(f *os.File, off, n int64) error {
	_, err := io.Copy(&c.body, io.NewSectionReader(f, off, n))
	return err
}
func (c *client) Flush() error {
	select {
	case c.flushed <- struct{}{}:
	default:
	}
	return nil
}
func (c *client) End([]gateway.Field) error                      { c.ended = true; return nil }
func (c *client) Upgrade(int, []gateway.Field) (net.Conn, error) { return nil, errors.ErrUnsupported }
func (c *client) Started() bool                                  { return c.status != 0 }
func (c *client) field(name string) string {
	for _, f := range c.fields {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

func newPipeline(t *testing.T, b gateway.Backend, change func(*Options)) *Pipeline {
	t.Helper()
	rules, err := forward.New(forward.Options{})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Backend: b, Forward: rules, RequestBuffering: true, ResponseBuffering: true, RequestTimeout: 20 * time.Second,
		Body: buffer.Options{Dir: t.TempDir()}, Response: buffer.SpoolOptions{Dir: t.TempDir()}, Log: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&o)
	}
	return New(o)
}

func request(method string) *gateway.Request {
	return &gateway.Request{
		Method: method, Target: "/x", Path: "/x", Scheme: "http", Host: "h", Major: 1, Minor: 1,
		Remote: netip.MustParseAddrPort("192.0.2.1:5"), Received: time.Now(),
	}
}

func ok(w gateway.Reply, body string) error {
	if err := w.Head(200, "", []gateway.Field{{Name: "Content-Type", Value: "text/plain"}}, int64(len(body))); err != nil {
		return err
	}
	if _, err := io.WriteString(w, body); err != nil {
		return err
	}
	return w.End(nil)
}

func TestReplayOnlyWhereSafe(t *testing.T) {
	died := &gateway.WorkerError{PID: 1, Died: true, Err: io.ErrUnexpectedEOF}
	unsent := &gateway.WorkerError{PID: 1, Died: true, Unsent: true, Err: io.ErrUnexpectedEOF}
	nonsense := &gateway.WorkerError{PID: 1, Err: io.ErrUnexpectedEOF}
	for _, c := range []struct {
		name, method string
		fail         error
		failures     int
		part         bool // some of an answer came before
		stream       bool // the body is not buffered
		status, want int  // tries
	}{
		{"GET", "GET", died, 1, false, false, 200, 2},
		{"HEAD", "HEAD", died, 1, false, false, 200, 2},
		{"GET, twice", "GET", died, 2, false, false, 502, 2},
		{"GET with a part held back", "GET", died, 1, true, false, 200, 2},
		{"POST", "POST", died, 1, false, false, 502, 1},
		{"POST, nothing sent", "POST", unsent, 1, false, false, 200, 2},
		{"POST, nothing sent seven times", "POST", unsent, 7, false, false, 200, 8},
		{"POST, streamed", "POST", unsent, 1, false, true, 502, 1},
		{"nonsense", "GET", nonsense, 1, false, false, 502, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &backend{serve: func(try int, _ context.Context, _ *gateway.Request, w gateway.Reply) error {
				if try > c.failures {
					return ok(w, "fine")
				}
				if c.part {
					if err := w.Head(200, "", nil, 100); err != nil {
						return err
					}
					if _, err := w.Write([]byte("part")); err != nil {
						return err
					}
				}
				return c.fail
			}}
			p, w, r := newPipeline(t, b, func(o *Options) { o.RequestBuffering = !c.stream }), newClient(), request(c.method)
			if c.stream {
				r.Body = gateway.Body{Length: 1, Stream: strings.NewReader("x")}
			}
			p.Serve(t.Context(), r, w)
			if w.status != c.status || b.calls != c.want || !w.ended {
				t.Errorf("status %d after %d tries, ended %v; want %d after %d", w.status, b.calls, w.ended, c.status, c.want)
			}
			if c.status == 200 && w.body.String() != "fine" {
				t.Errorf("body %q", w.body.String())
			}
		})
	}
}

func TestErrorsBecomePages(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		field  string
	}{
		{gateway.ErrNoCapacity, 503, "retry-after"},
		{gateway.ErrTimeout, 504, ""},
		{&gateway.BadRequest{Status: 408}, 408, ""},
		{&gateway.BadResponse{Reason: "x"}, 500, ""},
		{&gateway.WorkerError{PID: 1, Err: &gateway.BadResponse{Reason: "x"}}, 502, ""},
		{buffer.ErrNoSpace, 507, ""},
		{buffer.ErrFull, 503, "retry-after"},
		{fmt.Errorf("wrapped: %w", gateway.ErrNoCapacity), 503, "retry-after"},
	} {
		w := newClient()
		b := &backend{serve: func(int, context.Context, *gateway.Request, gateway.Reply) error { return c.err }}
		newPipeline(t, b, nil).Serve(t.Context(), request("GET"), w)
		if w.status != c.status || !w.ended || c.field != "" && w.field(c.field) == "" || w.field("x-request-id") == "" {
			t.Errorf("%v: %d %v", c.err, w.status, w.fields)
		}
	}
	w := newClient()
	b := &backend{serve: func(int, context.Context, *gateway.Request, gateway.Reply) error { return gateway.ErrClientGone }}
	newPipeline(t, b, nil).Serve(t.Context(), request("GET"), w)
	if w.status != 0 {
		t.Errorf("a client that is gone was answered %d", w.status)
	}
}

func TestWorkerThatDoesNotEndIsCutOff(t *testing.T) {
	b := &backend{serve: func(_ int, _ context.Context, _ *gateway.Request, w gateway.Reply) error {
		if err := w.Head(200, "", nil, -1); err != nil {
			return err
		}
		if _, err := w.Write(make([]byte, 1<<20)); err != nil {
			return err
		}
		return &gateway.WorkerError{Died: true, Err: io.ErrUnexpectedEOF}
	}}
	w := newClient()
	newPipeline(t, b, nil).Serve(t.Context(), request("GET"), w)
	if w.ended || b.calls != 1 {
		t.Errorf("ended %v after %d tries: want a response that is cut off", w.ended, b.calls)
	}
}

func TestBodyIsReadBeforeAWorkerIsAsked(t *testing.T) {
	for _, n := range []int{10, 64 << 10, 300 << 10} {
		body := strings.Repeat("x", n)
		b := &backend{serve: func(_ int, _ context.Context, r *gateway.Request, w gateway.Reply) error {
			got := string(r.Body.Inline)
			if r.Body.File != nil {
				text, err := io.ReadAll(io.NewSectionReader(r.Body.File, 0, 1<<30))
				if err != nil {
					return err
				}
				got = string(text)
			}
			if r.Body.Stream != nil || got != body || r.Body.Length != int64(n) {
				t.Errorf("%d bytes: %d arrived, length %d, stream %v", n, len(got), r.Body.Length, r.Body.Stream)
			}
			return ok(w, "")
		}}
		r := request("POST")
		r.Body = gateway.Body{Length: -1, Stream: strings.NewReader(body)}
		newPipeline(t, b, nil).Serve(t.Context(), r, newClient())
		if b.calls != 1 {
			t.Errorf("%d bytes: asked %d times", n, b.calls)
		}
	}
}

// A response without buffering goes through as it comes; others are held back
// until they are complete, or flushed.
func TestResponsesFlow(t *testing.T) {
	for name, c := range map[string]struct {
		field  gateway.Field
		off    bool
		direct bool
	}{
		"plain":             {gateway.Field{Name: "Content-Type", Value: "text/plain"}, false, false},
		"events":            {gateway.Field{Name: "Content-Type", Value: "text/event-stream; charset=utf-8"}, false, true},
		"x-accel-buffering": {gateway.Field{Name: "X-Accel-Buffering", Value: "no"}, false, true},
		"yes":               {gateway.Field{Name: "X-Accel-Buffering", Value: "yes"}, false, false},
		"switched off":      {gateway.Field{Name: "Content-Type", Value: "text/plain"}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newClient()
			b := &backend{serve: func(_ int, _ context.Context, _ *gateway.Request, r gateway.Reply) error {
				if err := r.Head(200, "", []gateway.Field{c.field}, -1); err != nil {
					return err
				}
				if _, err := r.Write([]byte("first")); err != nil {
					return err
				}
				if direct := w.body.Len() > 0; direct != c.direct {
					t.Errorf("went through at once: %v", direct)
				}
				if err := r.Flush(); err != nil {
					return err
				}
				<-w.flushed // whatever is flushed arrives while the worker goes on
				if _, err := r.Write([]byte(" second")); err != nil {
					return err
				}
				return r.End(nil)
			}}
			newPipeline(t, b, func(o *Options) { o.ResponseBuffering = !c.off }).Serve(t.Context(), request("GET"), w)
			if w.body.String() != "first second" || !w.ended || w.field("x-accel-buffering") != "" {
				t.Errorf("%q, ended %v, %v", w.body.String(), w.ended, w.fields)
			}
		})
	}
}

func TestTimeRunsOnlyUntilTheAnswerBegins(t *testing.T) { synctest.Test(t, timeRunsUntilTheAnswer) }

func timeRunsUntilTheAnswer(t *testing.T) {
	const limit = time.Minute
	within := func(o *Options) { o.RequestTimeout = limit }
	begun := &backend{serve: func(_ int, ctx context.Context, _ *gateway.Request, w gateway.Reply) error {
		time.Sleep(limit - time.Millisecond)
		if err := w.Head(200, "", []gateway.Field{{Name: "content-type", Value: "text/event-stream"}}, -1); err != nil {
			return err
		}
		time.Sleep(time.Hour)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return w.End(nil)
	}}
	w := newClient()
	newPipeline(t, begun, within).Serve(t.Context(), request("GET"), w)
	if w.status != 200 || !w.ended {
		t.Errorf("a stream was ended by the timeout: %d", w.status)
	}
	never := &backend{serve: func(_ int, ctx context.Context, _ *gateway.Request, _ gateway.Reply) error {
		<-ctx.Done()
		return context.Cause(ctx)
	}}
	for waited, want := range map[time.Duration]time.Duration{0: limit, limit / 3: limit * 2 / 3} {
		w, r, began := newClient(), request("GET"), time.Now()
		if waited > 0 {
			r.Asked = began.Add(-waited) // it was given to the backend then
		}
		newPipeline(t, never, within).Serve(t.Context(), r, w)
		if took := time.Since(began); w.status != 504 || took != want {
			t.Errorf("status %d after %v, want 504 after %v", w.status, took, want)
		}
	}
}

func TestNamedFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.txt"), []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	roots, err := sendfile.Open([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	defer roots.Close()
	for _, field := range []string{"X-Sendfile", "X-Accel-Redirect"} {
		b := &backend{serve: func(_ int, _ context.Context, _ *gateway.Request, w gateway.Reply) error {
			if err := w.Head(200, "", []gateway.Field{{Name: field, Value: "/a.txt"}, {Name: "Content-Type", Value: "text/html"}}, 5); err != nil {
				return err
			}
			if _, err := w.Write([]byte("empty")); err != nil {
				return err
			}
			return w.End(nil)
		}}
		w, r := newClient(), request("GET")
		r.Header = []gateway.Field{{Name: "range", Value: "bytes=2-4"}}
		newPipeline(t, b, func(o *Options) { o.Sendfile = roots }).Serve(t.Context(), r, w)
		if w.status != 206 || w.body.String() != "234" || w.length != 3 || w.field(field) != "" || w.field("content-type") != "text/html" {
			t.Errorf("%s: %d %q, %v", field, w.status, w.body.String(), w.fields)
		}
	}
}

// An app that serves uploads as text/plain must not have a browser run them.
func TestNamedFileHasTheTypeThatTheAppSays(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "upload.html"), []byte("<script>"), 0o600); err != nil {
		t.Fatal(err)
	}
	roots, err := sendfile.Open([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	defer roots.Close()
	for said, want := range map[string]string{
		"text/plain": "text/plain", "text/html": "text/html", "application/x-download": "application/x-download", "": "text/html; charset=utf-8",
	} {
		b := &backend{serve: func(_ int, _ context.Context, _ *gateway.Request, w gateway.Reply) error {
			if err := w.Head(200, "", []gateway.Field{{Name: "X-Sendfile", Value: "upload.html"}, {Name: "Content-Type", Value: said}}, 0); err != nil {
				return err
			}
			return w.End(nil)
		}}
		w := newClient()
		newPipeline(t, b, func(o *Options) { o.Sendfile = roots }).Serve(t.Context(), request("GET"), w)
		if got := w.field("content-type"); w.status != 200 || got != want {
			t.Errorf("the app says %q: %d, %q", said, w.status, got)
		}
	}
}

// sink keeps lines.
type sink struct{ bytes.Buffer }

func (*sink) Reopen() error { return nil }
func (*sink) Close() error  { return nil }

func TestEveryRequestHasALine(t *testing.T) {
	format, err := accesslog.Compile("%(s)s %(B)s")
	if err != nil {
		t.Fatal(err)
	}
	lines := &sink{}
	b := &backend{serve: func(_ int, _ context.Context, _ *gateway.Request, w gateway.Reply) error { return ok(w, "12345") }}
	p := newPipeline(t, b, func(o *Options) { o.Access = accesslog.New(format, lines) })
	p.Serve(t.Context(), request("GET"), newClient())
	p.Refuse(&gateway.Request{}, &gateway.BadRequest{Status: 400}, newClient())
	b.serve = func(int, context.Context, *gateway.Request, gateway.Reply) error { return gateway.ErrClientGone }
	p.Serve(t.Context(), request("GET"), newClient())
	got := strings.Split(strings.TrimSpace(lines.String()), "\n")
	if len(got) != 3 || got[0] != "200 5" || !strings.HasPrefix(got[1], "400 ") || got[2] != "499 0" {
		t.Errorf("%q", got)
	}
}

func TestPlainCONNECTIsRefused(t *testing.T) {
	w := newClient()
	b := &backend{serve: func(int, context.Context, *gateway.Request, gateway.Reply) error {
		t.Error("a worker was asked")
		return nil
	}}
	newPipeline(t, b, nil).Serve(t.Context(), request("CONNECT"), w)
	if w.status != 405 {
		t.Errorf("status %d", w.status)
	}
}

package accept_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/gatewaytest"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/internal/certificates/testca"
)

func TestHTTP2(t *testing.T) {
	a := testca.New(t)
	o := options(app(repeat))
	secure(a, &o, "example.org")
	over := start(t, o).client(t, a.Trust("example.org", "h2"))
	q := request(t, "POST", "/a%20b?c=d", strings.NewReader("hello"))
	q.URL.Scheme = "https"
	want(t, over, q, 200, "https POST /a%20b?c=d example.org hello")

	plain := start(t, options(app(repeat)))
	want(t, plain.client(t, nil), request(t, "POST", "/x", strings.NewReader("hello")), 200, "http POST /x example.org hello")
	if status, body := exchange(t, plain.dial(t, nil), "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"); status != 200 || body != "http GET /x a" {
		t.Errorf("HTTP/1 on the same port: %d %q", status, body)
	}
	if status, body := exchange(t, plain.dial(t, nil), "PRI /x HTTP/1.1\r\nHost: a\r\n\r\n"); status != 200 || body != "http PRI /x a" {
		t.Errorf("nearly a preface: %d %q", status, body)
	}
}

// HTTP/2 by Upgrade has been taken out (RFC 9113, 3.1): it would be a way
// around what checks HTTP/1 requests.
func TestNoUpgradeToHTTP2(t *testing.T) {
	v := start(t, options(app(repeat)))
	status, body := exchange(t, v.dial(t, nil), "GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")
	if status != 200 || body != "http GET /x a" {
		t.Errorf("got %d %q", status, body)
	}
}

func TestRequestOverHTTP2(t *testing.T) {
	var got gateway.Request
	v := start(t, options(app(func(_ context.Context, r *gateway.Request, w gateway.Reply) {
		got = *r
		got.Header = slices.Clone(r.Header)
		slices.SortStableFunc(got.Header[1:], func(a, b gateway.Field) int { return strings.Compare(a.Name, b.Name) }) // the client has no order
		gatewaytest.Say(w, 200, "")
	})))
	q := request(t, "GET", "/p?q", nil, "X-Two", "b", "X-Two", "a", "Cookie", "a=1; b=2", "Te", "trailers", "X_Under", "1", "User-Agent", "")
	want(t, v.client(t, nil), q, 200, "")
	fields := []gateway.Field{{Name: "host", Value: "example.org"}, {Name: "cookie", Value: "a=1; b=2"}, {Name: "te", Value: "trailers"}, {Name: "x-two", Value: "b"}, {Name: "x-two", Value: "a"}}
	if !reflect.DeepEqual(got.Header, fields) {
		t.Errorf("fields %v", got.Header)
	}
	if got.Method != "GET" || got.Target != "/p?q" || got.Path != "/p" || got.Query != "q" || got.Host != "example.org" ||
		got.Scheme != "http" || got.Major != 2 || got.Minor != 0 || got.Number == 0 || !got.Remote.IsValid() || !got.Local.IsValid() ||
		got.Received.IsZero() || got.Body.Stream != nil || got.Body.Length != 0 {
		t.Errorf("request %+v", got)
	}
}

func TestResponseOverHTTP2(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, bytes.Repeat([]byte("0123456789"), 10000), 0o600); err != nil {
		t.Fatal(err)
	}
	o := options(app(func(_ context.Context, r *gateway.Request, w gateway.Reply) {
		var err error
		switch r.Path {
		case "/fields":
			err = errors.Join(w.Head(299, "ignored", []gateway.Field{
				{Name: "Set-Cookie", Value: "a=1"}, {Name: "set-cookie", Value: "b=2"}, {Name: "Connection", Value: "x-mine, close"},
				{Name: "X-Mine", Value: "1"}, {Name: "Keep-Alive", Value: "1"}, {Name: "Content-Length", Value: "77"},
			}, -1), w.End(nil))
		case "/head":
			err = w.Head(200, "", nil, 1000)
			_, _ = io.WriteString(w, "not sent")
			err = errors.Join(err, w.End(nil))
		case "/304":
			err = errors.Join(w.Head(304, "", nil, 1000), w.End(nil))
		case "/204":
			err = errors.Join(w.Head(204, "", nil, -1), w.End(nil))
		case "/file":
			f, openErr := os.Open(path)
			if openErr != nil {
				t.Error(openErr)
				return
			}
			defer f.Close()
			err = errors.Join(w.Head(200, "", nil, 50000), w.WriteFile(f, 10, 50000), w.End(nil))
		case "/upgrade":
			if _, err := w.Upgrade(101, nil); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("an upgrade: %v", err)
			}
			gatewaytest.Say(w, 200, "")
		}
		if err != nil {
			t.Errorf("%s: %v", r.Path, err)
		}
	}))
	o.HTTP1.Adds.Name = "test"
	c := start(t, o).client(t, nil)
	resp := want(t, c, request(t, "GET", "/fields", nil), 299, "")
	date := resp.Header.Get("Date")
	resp.Header.Del("Date")
	if fields := (http.Header{"Set-Cookie": {"a=1", "b=2"}, "Server": {"test"}, "Content-Length": {"0"}}); !reflect.DeepEqual(resp.Header, fields) || date == "" {
		t.Errorf("fields %v", resp.Header)
	}
	for target, length := range map[string]int64{"/head": 1000, "/304": 0, "/204": 0} {
		method, status := "GET", map[string]int{"/head": 200, "/304": 304, "/204": 204}[target]
		if target == "/head" {
			method = "HEAD"
		}
		if resp := want(t, c, request(t, method, target, nil), status, ""); resp.ContentLength != length {
			t.Errorf("%s: length %d", target, resp.ContentLength)
		}
	}
	want(t, c, request(t, "GET", "/file", nil), 200, strings.Repeat("0123456789", 5000))
	want(t, c, request(t, "GET", "/upgrade", nil), 200, "")
}

func TestTrailersOverHTTP2(t *testing.T) {
	v := start(t, options(app(func(_ context.Context, r *gateway.Request, w gateway.Reply) {
		if early := r.Body.Trailers(); early != nil {
			t.Errorf("trailers before the end: %v", early)
		}
		_, err := gatewaytest.BodyOf(r)
		if got, want := r.Body.Trailers(), []gateway.Field{{Name: "x-sum", Value: "1"}}; err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %v and %v", got, err)
		}
		err = w.Head(200, "", nil, -1)
		_, _ = io.WriteString(w, "hello")
		err = errors.Join(err, w.End([]gateway.Field{{Name: "x-sum", Value: "2"}, {Name: "content-length", Value: "9"}, {Name: "bad\nname", Value: "1"}}))
		if err != nil {
			t.Error(err)
		}
	})))
	q := request(t, "POST", "/", io.NopCloser(strings.NewReader("hello")))
	q.Trailer = http.Header{"X-Sum": {"1"}, "X_sum": {"3"}}
	resp := want(t, v.client(t, nil), q, 200, "hello")
	if want := (http.Header{"X-Sum": {"2"}}); !reflect.DeepEqual(resp.Trailer, want) {
		t.Errorf("got %v", resp.Trailer)
	}
}

func TestForbiddenTrailersOverHTTP2(t *testing.T) {
	for name, rule := range map[string]http1.HeaderMap{"Cookie": http1.Dangerous, "X_under": http1.Refuse} {
		o := options(app(repeat))
		o.HTTP1.Rules.HeaderMap = rule
		q := request(t, "POST", "/", io.NopCloser(strings.NewReader("hello")))
		q.Trailer = http.Header{name: {"1"}}
		resp, err := start(t, o).client(t, nil).Do(q)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 400 {
			t.Errorf("%s: status %d", name, resp.StatusCode)
		}
	}
}

func TestEarlyHintsOverHTTP2(t *testing.T) {
	v := start(t, options(app(func(_ context.Context, _ *gateway.Request, w gateway.Reply) {
		err := errors.Join(
			w.Interim(103, []gateway.Field{{Name: "link", Value: "</a>"}, {Name: "content-length", Value: "5"}}),
			w.Interim(101, nil), // is not for HTTP/2
			w.Head(200, "", nil, -1), w.Interim(103, nil), w.End(nil))
		if err != nil || w.Interim(103, []gateway.Field{{Name: "a\n", Value: ""}}) != nil {
			t.Error(err)
		}
	})))
	var hints []string
	q := request(t, "GET", "/", nil)
	q = q.WithContext(httptrace.WithClientTrace(q.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		if code == 103 {
			hints = append(hints, h.Get("Link")+h.Get("Content-Length"))
		}
		return nil
	}}))
	resp := want(t, v.client(t, nil), q, 200, "")
	if !slices.Equal(hints, []string{"</a>"}) || resp.Header.Get("Link") != "" {
		t.Errorf("got %q, and then %v", hints, resp.Header)
	}
}

// Both sides talk at once: each part is answered before the next is sent.
func TestStreamsOverHTTP2(t *testing.T) {
	v := start(t, options(app(func(_ context.Context, r *gateway.Request, w gateway.Reply) {
		if err := errors.Join(w.Head(200, "", nil, -1), w.Flush()); err != nil {
			t.Error(err)
		}
		buf := make([]byte, 100)
		for {
			n, err := r.Body.Stream.Read(buf)
			if n > 0 {
				_, _ = w.Write(bytes.ToUpper(buf[:n]))
				_ = w.Flush() // the other side finds out
			}
			if err != nil {
				break
			}
		}
		_ = w.End(nil) // likewise
	})))
	in, out := io.Pipe()
	resp, err := v.client(t, nil).Do(request(t, "POST", "/", in))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for _, part := range []string{"one", "two", "three"} {
		if _, err := io.WriteString(out, part); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(part))
		if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != strings.ToUpper(part) {
			t.Fatalf("got %q and %v", got, err)
		}
	}
	out.Close()
	if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) > 0 {
		t.Errorf("got %q and %v", rest, err)
	}
}

// A reply that is wrong, or none, is a 500 while that can be said, and a reset
// after that.
func TestBadReplyOverHTTP2(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(w gateway.Reply)
		want int // 0 is a reset
	}{
		"none":          {func(gateway.Reply) {}, 500},
		"not ended":     {func(w gateway.Reply) { _ = w.Head(200, "", []gateway.Field{{Name: "x", Value: "1"}}, 5) }, 500},
		"panic":         {func(gateway.Reply) { panic("oops") }, 500},
		"bad field":     {func(w gateway.Reply) { refused(t, w.Head(200, "", []gateway.Field{{Name: "x", Value: "a\nb"}}, 5)) }, 500},
		"1xx as head":   {func(w gateway.Reply) { refused(t, w.Head(103, "", nil, 0)) }, 500},
		"body too soon": {func(w gateway.Reply) { _, err := io.WriteString(w, "x"); refused(t, err); refused(t, w.End(nil)) }, 500},
		"two heads":     {func(w gateway.Reply) { _ = w.Head(200, "", nil, 0); refused(t, w.Head(200, "", nil, 0)) }, 500},
		"too long":      {func(w gateway.Reply) { _ = w.Head(200, "", nil, 1); _, err := io.WriteString(w, "xx"); refused(t, err) }, 500},
		"too short": {func(w gateway.Reply) {
			_ = w.Head(200, "", nil, 2)
			_, _ = io.WriteString(w, "x")
			refused(t, w.End(nil))
		}, 0},
		"sent, no end":   {func(w gateway.Reply) { _ = w.Head(200, "", nil, -1); _ = w.Flush() }, 0},
		"sent, panic":    {func(w gateway.Reply) { _ = w.Head(200, "", nil, -1); _ = w.Flush(); panic("oops") }, 0},
		"body after end": {func(w gateway.Reply) { gatewaytest.Say(w, 200, ""); _, err := io.WriteString(w, "x"); refused(t, err) }, 200},
	} {
		t.Run(name, func(t *testing.T) {
			v := start(t, options(app(func(_ context.Context, _ *gateway.Request, w gateway.Reply) { c.do(w) })))
			resp, err := v.client(t, nil).Do(request(t, "GET", "/", nil))
			if err == nil {
				defer resp.Body.Close()
				_, err = io.ReadAll(resp.Body)
			}
			if c.want == 0 && err == nil || c.want != 0 && (err != nil || resp.StatusCode != c.want || resp.Header.Get("X") != "") {
				t.Errorf("got %+v and %v", resp, err)
			}
		})
	}
}

func refused(t *testing.T, err error) {
	t.Helper()
	var bad *gateway.BadResponse
	if !errors.As(err, &bad) {
		t.Errorf("got %v", err)
	}
}

func TestClientLeavesHTTP2(t *testing.T) {
	began, causes := make(chan struct{}, 2), make(chan error, 2)
	o := options(app(func(ctx context.Context, r *gateway.Request, w gateway.Reply) {
		began <- struct{}{}
		<-ctx.Done()
		causes <- context.Cause(ctx)
		if r.Body.Stream != nil {
			_, err := gatewaytest.BodyOf(r)
			causes <- err
		}
		if err := w.Head(200, "", nil, -1); err == nil {
			for err == nil {
				_, err = io.WriteString(w, "x")
			}
			causes <- err
		}
	}))
	v := start(t, o)
	for _, body := range []io.Reader{nil, endless{}} {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-began
			cancel()
		}()
		if _, err := v.client(t, nil).Do(request(t, "POST", "/", body).WithContext(ctx)); err == nil {
			t.Fatal("an answer")
		}
		for range 2 + min(1, len(bodyOf(body))) {
			if err := gatewaytest.Wait(t, "end", causes); !errors.Is(err, gateway.ErrClientGone) {
				t.Errorf("got %v", err)
			}
		}
	}
}

func bodyOf(r io.Reader) string {
	if r == nil {
		return ""
	}
	return "some"
}

// endless is a body without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestTimeoutsOverHTTP2(t *testing.T) {
	o := options(app(func(ctx context.Context, r *gateway.Request, w gateway.Reply) {
		if r.Path == "/slow-app" {
			if err := errors.Join(w.Head(200, "", nil, -1), w.Flush()); err != nil {
				t.Error(err)
			}
			for range 3 { // longer than the client may take to read anything
				timer := time.NewTimer(100 * time.Millisecond)
				<-timer.C
				if _, err := io.WriteString(w, "x"); err != nil {
					t.Error(err)
				}
				_ = w.Flush() // Write tells
			}
			_ = w.End(nil) // likewise
			return
		}
		repeat(ctx, r, w)
	}))
	o.HTTP1.BodyTimeout, o.HTTP1.WriteTimeout = 50*time.Millisecond, 50*time.Millisecond
	v := start(t, o)
	want(t, v.client(t, nil), request(t, "GET", "/slow-app", nil), 200, "xxx")
	in, out := io.Pipe()
	defer out.Close()
	want(t, v.client(t, nil), request(t, "POST", "/", in), 408, "the body took too long")
}

func TestSlowAppIsNotASlowBody(t *testing.T) {
	o := options(app(func(ctx context.Context, r *gateway.Request, w gateway.Reply) {
		timer := time.NewTimer(200 * time.Millisecond)
		<-timer.C
		repeat(ctx, r, w)
	}))
	o.HTTP1.BodyTimeout = 50 * time.Millisecond
	want(t, start(t, o).client(t, nil), request(t, "POST", "/", strings.NewReader("hi")), 200, "http POST / example.org hi")
}

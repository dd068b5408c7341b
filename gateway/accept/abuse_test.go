package accept_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/gatewaytest"
	"golang.org/x/net/http2"
)

func TestStrictHTTP2(t *testing.T) {
	o := options(app(repeat))
	o.HTTP1.MaxBody = 100
	v := start(t, o)
	const reset = "reset PROTOCOL_ERROR"
	for _, c := range []struct {
		name   string
		fields []string
		want   string
	}{
		{"good", get(), "200"},
		{"no authority but Host", []string{":method", "GET", ":scheme", "http", ":path", "/", "host", "a"}, "200"},
		{"Host as authority", get("host", "a"), "200"},
		{"no path", []string{":method", "GET", ":scheme", "http", ":authority", "a"}, reset},
		{"no scheme", []string{":method", "GET", ":path", "/", ":authority", "a"}, reset},
		{"no method", []string{":scheme", "http", ":path", "/", ":authority", "a"}, reset},
		{"empty path", []string{":method", "GET", ":scheme", "http", ":authority", "a", ":path", ""}, reset},
		{"other scheme", []string{":method", "GET", ":scheme", "ftp", ":authority", "a", ":path", "/"}, reset},
		{"unknown pseudo field", get(":foo", "a"), reset},
		{"double pseudo field", get(":path", "/"), reset},
		{"pseudo field of responses", get(":status", "200"), reset},
		{"pseudo field behind others", []string{":method", "GET", ":scheme", "http", ":authority", "a", "x", "y", ":path", "/"}, reset},
		{"upper case name", get("X-Upper", "a"), reset},
		{"name with a space", get("x y", "a"), reset},
		{"value with NUL", get("x", "a\x00b"), reset},
		{"value with LF", get("x", "a\nb"), reset},
		{"value with CR", get("x", "a\rb"), reset},
		{"value with DEL", get("x", "a\x7fb"), reset},
		{"value with spaces around", get("x", " a"), "400"},
		{"extended CONNECT", []string{":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":authority", "a", ":path", "/"}, "200"},
		{"of another protocol", []string{":method", "CONNECT", ":protocol", "connect-udp", ":scheme", "http", ":authority", "a", ":path", "/"}, "501"},
		{"protocol of a GET", get(":protocol", "websocket"), reset},
		{"extended CONNECT without a path", []string{":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":authority", "a"}, reset},
		{"CONNECT", []string{":method", "CONNECT", ":authority", "a:1"}, "405"},
		{"Connection", get("connection", "close"), "400"},
		{"Transfer-Encoding", get("transfer-encoding", "chunked"), "400"},
		{"Upgrade", get("upgrade", "websocket"), "400"},
		{"Keep-Alive", get("keep-alive", "5"), "400"},
		{"Proxy-Connection", get("proxy-connection", "close"), "400"},
		{"TE other than trailers", get("te", "gzip"), "400"},
		{"Expect of something", get("expect", "miracles"), "417"},
		{"no authority at all", []string{":method", "GET", ":scheme", "http", ":path", "/"}, "400"},
		{"Host differs", get("host", "b"), "400"},
		{"two Hosts", get("host", "a", "host", "a"), "400"},
		{"authority with user", []string{":method", "GET", ":scheme", "http", ":authority", "u@a", ":path", "/"}, "400"},
		{"authority with a space", []string{":method", "GET", ":scheme", "http", ":authority", "a b", ":path", "/"}, "400"},
		{"path that is none", []string{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "x"}, "400"},
		{"path *", []string{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "*"}, "400"},
		{"OPTIONS *", []string{":method", "OPTIONS", ":scheme", "http", ":authority", "a", ":path", "*"}, "200"},
		{"path with a fragment", []string{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/#a"}, "400"},
		{"path with a space", []string{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/a b"}, "400"},
		{"path with a control", []string{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/\x01"}, reset},
		{"method in lower case", []string{":method", "get", ":scheme", "http", ":authority", "a", ":path", "/"}, "400"},
		{"method with a space", []string{":method", "G ET", ":scheme", "http", ":authority", "a", ":path", "/"}, "400"},
		{"long path", []string{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/" + strings.Repeat("a", 5000)}, "400"},
		{"long field", get("x", strings.Repeat("a", 9000)), "431"},
		{"many fields", get(many(101)...), "431"},
		{"not too many fields", get(many(99)...), "200"},
		{"length without a body", get("content-length", "5"), "400"},
		{"length of nothing", get("content-length", "0"), "200"},
		{"two content types", get("content-type", "a/b", "content-type", "a/b"), "400"},
		{"two lengths", get("content-length", "0", "content-length", "0"), "400"},
		{"bad length", get("content-length", "+0"), "400"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := v.raw(t)
			if got := r.outcome(r.send(true, c.fields...)); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if strings.HasPrefix(c.want, "away") {
				return
			}
			if got := r.outcome(r.send(true, get()...)); got != "200" {
				t.Errorf("afterwards: %s", got)
			}
		})
	}
}

func many(n int) (fields []string) {
	for i := range n {
		fields = append(fields, "x-"+strconv.Itoa(i), "a")
	}
	return fields
}

func TestBodyOverHTTP2(t *testing.T) {
	o := options(app(repeat))
	o.HTTP1.MaxBody = 100
	v := start(t, o)
	for _, c := range []struct{ name, length, body, want string }{
		{"good", "5", "hello", "200"},
		{"no length", "", "hello", "200"},
		{"shorter than its length", "6", "hello", "400"},
		{"longer than its length", "4", "hello", "reset PROTOCOL_ERROR"},
		{"length is too large", "101", "hello", "413"},
		{"too large", "", strings.Repeat("a", 101), "413"},
		{"just not too large", "", strings.Repeat("a", 100), "200"},
		{"bad length", "x", "hello", "400"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fields := []string{":method", "POST", ":scheme", "http", ":authority", "a", ":path", "/"}
			if c.length != "" {
				fields = append(fields, "content-length", c.length)
			}
			r := v.raw(t)
			stream := r.send(false, fields...)
			r.do(r.WriteData(stream, true, []byte(c.body)))
			got := r.outcome(stream)
			if c.name == "bad length" && got == "reset PROTOCOL_ERROR" {
				return // the library was quicker with the body
			}
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// A body that the head says is empty never reaches the app, and neither does
// its request.
func TestBodyBehindLengthZeroOverHTTP2(t *testing.T) {
	called := make(chan string, 10)
	o := options(app(func(ctx context.Context, r *gateway.Request, w gateway.Reply) {
		called <- r.Path
		repeat(ctx, r, w)
	}))
	v := start(t, o)
	post := func(path string) []string {
		return []string{":method", "POST", ":scheme", "http", ":authority", "a", ":path", path, "content-length", "0"}
	}
	r := v.raw(t)
	stream := r.send(false, post("/smuggled")...)
	r.do(r.WritePing(false, [8]byte{1})) // the head has been read once it is answered
	for pinged := false; !pinged; {
		frame, err := r.ReadFrame()
		r.do(err)
		_, pinged = frame.(*http2.PingFrame)
	}
	r.do(r.WriteData(stream, true, []byte("GET /")))
	if got := r.outcome(stream); got != "reset PROTOCOL_ERROR" {
		t.Errorf("got %s", got)
	}
	stream = r.send(false, post("/empty")...)
	r.do(r.WriteData(stream, true, nil))
	if got := r.outcome(stream); got != "200" {
		t.Errorf("with an empty DATA frame: %s", got)
	}
	if got := gatewaytest.Wait(t, "call", called); got != "/empty" {
		t.Errorf("the app was called for %s", got)
	}
}

// A client that reads nothing of its response is given up, and costs no more
// than a buffer meanwhile: even if its window is not the reason.
func TestSlowReaderOverHTTP2(t *testing.T) {
	for _, size := range []int{100, 1 << 20} {
		done := make(chan error, 1)
		o := options(app(func(_ context.Context, _ *gateway.Request, w gateway.Reply) {
			err := w.Head(200, "", nil, -1)
			for err == nil {
				if _, err = w.Write(make([]byte, size)); size == 100 {
					break
				}
			}
			if err == nil {
				err = w.End(nil)
			}
			done <- err
		}))
		o.HTTP1.WriteTimeout = 100 * time.Millisecond
		r := start(t, o).raw(t)
		r.do(r.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10}))
		stream := r.send(true, get()...)
		if got := r.outcome(stream); got != "200" {
			t.Fatalf("got %s", got)
		}
		if got := r.outcome(stream); got != "reset INTERNAL_ERROR" && got != "reset CANCEL" {
			t.Errorf("%d bytes: got %s", size, got)
		}
		if err := gatewaytest.Wait(t, "end", done); (size > 100) != errors.Is(err, gateway.ErrClientGone) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// What nobody reads of a body stays with the client.
func TestBackPressureOverHTTP2(t *testing.T) {
	release := make(chan struct{})
	o := options(app(func(ctx context.Context, r *gateway.Request, w gateway.Reply) {
		<-release
		repeat(ctx, r, w)
	}))
	r := start(t, o).raw(t)
	stream := r.send(false, ":method", "POST", ":scheme", "http", ":authority", "a", ":path", "/")
	for range 65535 / 16383 {
		r.do(r.WriteData(stream, false, make([]byte, 16383)))
	}
	r.do(r.WritePing(false, [8]byte{1}))
	for granted, pinged := uint32(0), false; !pinged; {
		frame, err := r.ReadFrame()
		r.do(err)
		switch f := frame.(type) {
		case *http2.WindowUpdateFrame:
			if f.StreamID == stream {
				if granted += f.Increment; granted > 0 {
					t.Fatalf("%d more bytes are wanted", granted)
				}
			}
		case *http2.PingFrame:
			pinged = true
		}
	}
	// More than it may is refused.
	r.do(r.WriteData(stream, false, make([]byte, 16383)))
	if got := r.outcome(stream); got != "reset FLOW_CONTROL_ERROR" && got != "away FLOW_CONTROL_ERROR" {
		t.Errorf("got %s", got)
	}
	close(release)
}

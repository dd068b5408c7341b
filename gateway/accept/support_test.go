package accept_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/accept"
	"github.com/gonicorn/gonicorn/gateway/gatewaytest"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"go.uber.org/goleak"
)

// testTimeout bounds every wait of a test.
const testTimeout = gatewaytest.Timeout

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// app is a handler that refuses with the reason in text.
type app func(ctx context.Context, r *gateway.Request, w gateway.Reply)

func (a app) Serve(ctx context.Context, r *gateway.Request, w gateway.Reply) { a(ctx, r, w) }

func (app) Refuse(_ *gateway.Request, why *gateway.BadRequest, w gateway.Reply) {
	gatewaytest.Say(w, why.Status, why.Reason)
}

// repeat answers with what it was asked, and by whom.
func repeat(_ context.Context, r *gateway.Request, w gateway.Reply) {
	body, err := gatewaytest.BodyOf(r)
	var bad *gateway.BadRequest
	switch {
	case errors.As(err, &bad):
		gatewaytest.Say(w, bad.Status, bad.Reason)
	case err == nil:
		gatewaytest.Say(w, 200, strings.TrimRight(strings.Join([]string{r.Scheme, r.Method, r.Target, r.Host, string(body)}, " "), " "))
	}
}

// whence answers with the addresses of the connection.
func whence(_ context.Context, r *gateway.Request, w gateway.Reply) {
	gatewaytest.Say(w, 200, r.Remote.String()+" to "+r.Local.String()+" "+r.LocalUnix)
}

// site is a server and where it listens.
type site struct {
	*accept.Server
	net.Listener
	wg sync.WaitGroup
}

// options are of a server without timeouts that a test reaches.
func options(h gateway.Handler) accept.Options {
	return accept.Options{
		HTTP1: gatewaytest.Lasting(h),
		HTTP2: true, HTTP2Cleartext: true, Streams: 100, Window: 65535, Frame: 16384, HeaderList: 65536,
		HandshakeTimeout: testTimeout,
	}
}

// start serves on a loopback port until the test ends.
func start(t testing.TB, o accept.Options) *site {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return startOn(t, o, l, "")
}

func startOn(t testing.TB, o accept.Options, l net.Listener, unix string) *site {
	t.Helper()
	if o.Log == nil {
		o.Log, o.HTTP1.Log = slog.New(slog.DiscardHandler), slog.New(slog.DiscardHandler)
	}
	events, err := loop.New()
	if err != nil {
		t.Fatal(err)
	}
	o.Loops = []accept.Events{{Loop: events}}
	f, err := accept.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); events.Run() }()
	t.Cleanup(func() { events.Stop(); <-ended })
	v := &site{Server: f, Listener: l}
	v.wg.Go(func() { f.Serve(l, unix) })
	t.Cleanup(func() { v.stop() })
	return v
}

// stop closes everything at once.
func (v *site) stop() {
	v.Server.Close()
	v.wg.Wait()
}

// drain drains in the background.
func (v *site) drain(ctx context.Context) (done chan struct{}) {
	done = make(chan struct{})
	go func() { v.Drain(ctx); close(done) }()
	return done
}

// dial connects, over TLS where there is a configuration for it.
func (v *site) dial(t testing.TB, config *tls.Config) net.Conn {
	t.Helper()
	c, err := net.Dial(v.Addr().Network(), v.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(testTimeout)); err != nil {
		t.Fatal(err)
	}
	if config != nil {
		c = tls.Client(c, config)
	}
	return c
}

// client is an HTTP/2 client, of TLS where there is a configuration for it.
func (v *site) client(t testing.TB, config *tls.Config) *http.Client {
	t.Helper()
	return over(t, config, func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, v.Addr().Network(), v.Addr().String())
	})
}

// over is an HTTP/2 client of what dial returns.
func over(t testing.TB, config *tls.Config, dial func(context.Context, string, string) (net.Conn, error)) *http.Client {
	t.Helper()
	h2 := &http.Transport{DialContext: dial, TLSClientConfig: config, DisableCompression: true, Protocols: &http.Protocols{}}
	h2.Protocols.SetUnencryptedHTTP2(config == nil)
	h2.Protocols.SetHTTP2(config != nil)
	t.Cleanup(h2.CloseIdleConnections)
	return &http.Client{Transport: h2, Timeout: testTimeout}
}

// want makes a request and checks status and body.
func want(t testing.TB, c *http.Client, q *http.Request, status int, body string) *http.Response {
	t.Helper()
	resp, err := c.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status || string(got) != body {
		t.Fatalf("got %d %q and %v, want %d %q", resp.StatusCode, got, err, status, body)
	}
	return resp
}

// request makes a request to example.org.
func request(t testing.TB, method, target string, body io.Reader, fields ...string) *http.Request {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, "http://example.org"+target, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		q.Header.Add(fields[i], fields[i+1])
	}
	return q
}

// exchange sends a text and reads an HTTP/1 answer; its status is 0 where the
// connection ends without one.
func exchange(t testing.TB, c net.Conn, text string) (status int, body string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		return 0, ""
	}
	return answer(t, c)
}

func answer(t testing.TB, c net.Conn) (status int, body string) {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		t.Fatal("no answer")
	}
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

// ended wants a connection to be closed.
func ended(t testing.TB, c net.Conn) {
	t.Helper()
	var late net.Error
	if _, err := io.Copy(io.Discard, c); errors.As(err, &late) && late.Timeout() {
		t.Fatal("the connection stays open")
	}
}

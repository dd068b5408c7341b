package http1_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/gatewaytest"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"go.uber.org/goleak"
)

// testTimeout bounds every wait of a test.
const testTimeout = gatewaytest.Timeout

// app is a handler that refuses with the reason in text.
type app func(ctx context.Context, r *gateway.Request, w gateway.Reply)

func (a app) Serve(ctx context.Context, r *gateway.Request, w gateway.Reply) { a(ctx, r, w) }

func (app) Refuse(r *gateway.Request, why *gateway.BadRequest, w gateway.Reply) {
	gatewaytest.Say(w, why.Status, strings.TrimSpace(r.Method+" "+r.Path)+": "+why.Reason)
}

// repeat answers with what it was asked.
func repeat(_ context.Context, r *gateway.Request, w gateway.Reply) {
	body, err := gatewaytest.BodyOf(r)
	var bad *gateway.BadRequest
	switch {
	case errors.As(err, &bad):
		gatewaytest.Say(w, bad.Status, bad.Reason)
	case err == nil:
		gatewaytest.Say(w, 200, strings.TrimRight(r.Method+" "+r.Target+" "+r.Host+" "+string(body), " "))
	}
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a server and where it listens.
type site struct {
	*http1.Server
	l  net.Listener
	wg sync.WaitGroup
}

// listen makes a place for s on a loopback port, until the test ends.
func listen(t testing.TB, s *http1.Server) *site {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	v := &site{Server: s, l: l}
	t.Cleanup(v.stop)
	return v
}

// start serves s on a loopback port until the test ends.
func start(t testing.TB, s *http1.Server) *site {
	t.Helper()
	v := listen(t, s)
	v.wg.Go(func() {
		for v.accept(nil) == nil {
		}
	})
	return v
}

// accept serves one connection in the background.
func (v *site) accept(wrap func(net.Conn) net.Conn) error {
	c, err := v.l.Accept()
	if err != nil {
		return err
	}
	if wrap != nil {
		c = wrap(c)
	}
	v.wg.Go(func() { v.ServeConn(context.Background(), serverConn(c)) })
	return nil
}

// stop closes all connections at once.
func (v *site) stop() {
	v.l.Close()
	now, cancel := context.WithCancel(context.Background())
	cancel()
	v.Drain(now)
	v.wg.Wait()
}

func serverConn(c net.Conn) http1.Conn {
	remote, _ := netip.ParseAddrPort(c.RemoteAddr().String())
	local, _ := netip.ParseAddrPort(c.LocalAddr().String())
	return http1.Conn{Conn: c, Scheme: "http", Remote: remote, Local: local, Peer: gateway.Peer{Addr: remote.Addr()}}
}

// client is the other end of a connection.
type client struct {
	t testing.TB
	*net.TCPConn
	in *bufio.Reader
}

// dial connects. The connection is reset in the end, so that thousands of them
// leave nothing in the kernel.
func (v *site) dial(t testing.TB) *client {
	t.Helper()
	c, err := net.Dial("tcp", v.l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	tcp := c.(*net.TCPConn)
	if err := errors.Join(tcp.SetLinger(0), tcp.SetDeadline(time.Now().Add(testTimeout))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tcp.Close() })
	return &client{t, tcp, bufio.NewReader(tcp)}
}

func (c *client) send(text string) *client {
	c.t.Helper()
	if _, err := io.WriteString(c.TCPConn, text); err != nil {
		c.t.Fatal(err)
	}
	return c
}

// response is an answer read to its end.
type response struct {
	*http.Response
	body string
}

// read reads one answer to a request of a method.
func (c *client) read(method string) (response, error) {
	q, err := http.ReadResponse(c.in, &http.Request{Method: method})
	if err != nil {
		return response{}, err
	}
	body, err := io.ReadAll(q.Body)
	return response{q, string(body)}, err
}

// want reads an answer and checks status and body.
func (c *client) want(status int, body string) response {
	c.t.Helper()
	q, err := c.read("GET")
	if err != nil {
		c.t.Fatalf("read answer: %v", err)
	}
	if q.StatusCode != status || q.body != body {
		c.t.Fatalf("got %d %q, want %d %q", q.StatusCode, q.body, status, body)
	}
	return q
}

// wantEnd wants the connection to be closed in order.
func (c *client) wantEnd() {
	c.t.Helper()
	if rest, err := io.ReadAll(c.in); err != nil || len(rest) > 0 {
		c.t.Fatalf("got %q and %v, want the end", rest, err)
	}
}

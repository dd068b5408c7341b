package accept_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/gatewaytest"
	"github.com/gonicorn/gonicorn/internal/certificates/testca"
	"golang.org/x/net/http2"
)

// slow answers /slow when it is told, and everything else at once.
func slow(began chan<- struct{}, end <-chan struct{}) app {
	return func(ctx context.Context, r *gateway.Request, w gateway.Reply) {
		if r.Path == "/slow" {
			began <- struct{}{}
			<-end
		}
		repeat(ctx, r, w)
	}
}

func TestDrainLosesNoRequest(t *testing.T) {
	began, end := make(chan struct{}), make(chan struct{})
	v := start(t, options(slow(began, end)))
	one, two, idle := v.dial(t, nil), v.raw(t), v.raw(t)
	if got := idle.outcome(idle.send(true, get()...)); got != "200" {
		t.Fatal(got)
	}
	if _, err := io.WriteString(one, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	gatewaytest.Wait(t, "request over HTTP/1", began)
	stream := two.send(true, ":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/slow")
	gatewaytest.Wait(t, "request over HTTP/2", began)
	done := v.drain(context.Background())
	if got := two.outcome(stream); got != "away NO_ERROR" {
		t.Errorf("the client is told %s", got)
	}
	if got := idle.outcome(99); got != "away NO_ERROR" {
		t.Errorf("the idle client is told %s", got)
	}
	ended(t, idle.Conn)
	select {
	case <-done:
		t.Error("Drain does not wait")
	default:
	}
	close(end)
	if status, _ := answer(t, one); status != 200 {
		t.Errorf("over HTTP/1: %d", status)
	}
	if got := two.outcome(stream); got != "200" {
		t.Errorf("over HTTP/2: %s", got)
	}
	two.Close()
	one.Close()
	gatewaytest.Wait(t, "Drain", done)
	if c, err := net.Dial("tcp", v.Addr().String()); err == nil {
		c.Close()
		t.Error("the port is still open")
	}
}

// A connection that was accepted, and has said nothing yet, is served and told
// to go.
func TestDrainTellsLatecomers(t *testing.T) {
	v := start(t, options(app(repeat)))
	c := v.dial(t, nil)
	if _, err := io.WriteString(c, http2.ClientPreface[:3]); err != nil {
		t.Fatal(err)
	}
	first := v.raw(t)
	if got := first.outcome(first.send(true, get()...)); got != "200" {
		t.Fatal(got) // the one before it has been accepted too
	}
	done := v.drain(context.Background())
	if got := first.outcome(99); got != "away NO_ERROR" {
		t.Fatal(got)
	}
	late := &raw{t: t, Conn: c, Framer: http2.NewFramer(c, c), next: 1}
	_, err := io.WriteString(c, http2.ClientPreface[3:])
	late.do(err)
	late.do(late.WriteSettings())
	if got := late.outcome(99); got != "away NO_ERROR" {
		t.Errorf("the latecomer is told %s", got)
	}
	gatewaytest.Wait(t, "Drain", done)
}

func TestDrainEndsWithItsContext(t *testing.T) {
	a := testca.New(t)
	began, causes := make(chan struct{}), make(chan error, 2)
	o := options(app(func(ctx context.Context, r *gateway.Request, w gateway.Reply) {
		began <- struct{}{}
		<-ctx.Done()
		causes <- context.Cause(ctx)
	}))
	secure(a, &o, "a.example")
	v := start(t, o)
	silent := v.dial(t, nil) // is in the handshake
	one := v.dial(t, a.Trust("a.example", "http/1.1"))
	if _, err := io.WriteString(one, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	gatewaytest.Wait(t, "request over HTTP/1", began)
	two, q := v.client(t, a.Trust("a.example", "h2")), request(t, "GET", "/", nil)
	q.URL.Scheme = "https"
	cut := make(chan error, 1)
	go func() {
		resp, err := two.Do(q)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusInternalServerError {
				err = errors.New(resp.Status) // it came out before the connection was closed
			}
		}
		cut <- err
	}()
	gatewaytest.Wait(t, "request over HTTP/2", began)
	ctx, cancel := context.WithCancel(context.Background())
	done := v.drain(ctx)
	cancel()
	gatewaytest.Wait(t, "Drain", done)
	for range 2 {
		if err := gatewaytest.Wait(t, "cause", causes); !errors.Is(err, gateway.ErrClientGone) {
			t.Errorf("got %v", err)
		}
	}
	ended(t, silent)
	if err := gatewaytest.Wait(t, "end", cut); err == nil {
		t.Error("an answer")
	}
}

func TestServeAfterClose(t *testing.T) {
	v := start(t, options(app(repeat)))
	v.stop()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v.Serve(l, "") // returns
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

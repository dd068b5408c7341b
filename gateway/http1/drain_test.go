package http1_test

import (
	"context"
	"testing"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/gatewaytest"
	"github.com/gonicorn/gonicorn/gateway/http1"
)

// drain drains in the background.
func (v *site) drain(ctx context.Context) (done chan struct{}) {
	done = make(chan struct{})
	go func() { v.Drain(ctx); close(done) }()
	return done
}

func TestDrainLosesNoRequest(t *testing.T) {
	began, end := make(chan struct{}), make(chan struct{})
	v := start(t, gatewaytest.Lasting(app(func(ctx context.Context, r *gateway.Request, w gateway.Reply) {
		if r.Target == "/slow" {
			began <- struct{}{}
			<-end
		}
		repeat(ctx, r, w)
	})))
	idle, late, active := v.dial(t), v.dial(t), v.dial(t)
	for _, c := range []*client{idle, late} {
		c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").want(200, "GET / a")
	}
	active.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
	gatewaytest.Wait(t, "slow request", began)
	done := v.drain(context.Background())
	for q := late.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").want(200, "GET / a"); !q.Close; {
		// It was quicker than Drain, which has not begun.
		q = late.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").want(200, "GET / a")
	}
	late.wantEnd()
	late.Close()
	idle.wantEnd()
	select {
	case <-done:
		t.Error("Drain does not wait for the request in flight")
	default:
	}
	close(end)
	if q := active.want(200, "GET /slow a"); !q.Close {
		t.Error("the active connection is not told")
	}
	active.wantEnd()
	active.Close()
	gatewaytest.Wait(t, "Drain", done)
}

func TestDrainEndsWithItsContext(t *testing.T) {
	began, gone := make(chan struct{}), make(chan struct{})
	v := start(t, gatewaytest.Lasting(app(func(ctx context.Context, _ *gateway.Request, _ gateway.Reply) {
		began <- struct{}{}
		<-ctx.Done()
		close(gone)
	})))
	v.dial(t).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	gatewaytest.Wait(t, "request", began)
	ctx, cancel := context.WithCancel(context.Background())
	done := v.drain(ctx)
	cancel()
	gatewaytest.Wait(t, "Drain", done)
	gatewaytest.Wait(t, "end of the request's context", gone)
}

func TestCounts(t *testing.T) {
	began, end := make(chan struct{}), make(chan struct{})
	v := start(t, gatewaytest.Lasting(app(func(ctx context.Context, r *gateway.Request, w gateway.Reply) {
		began <- struct{}{}
		<-end
		repeat(ctx, r, w)
	})))
	c := v.dial(t).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	gatewaytest.Wait(t, "request", began)
	if got := v.Counts(); got != (http1.Counts{Open: 1}) {
		t.Errorf("%+v", got)
	}
	close(end)
	c.want(200, "GET / a")
	c.Close()
	v.stop()
	if got := v.Counts(); got != (http1.Counts{}) {
		t.Errorf("%+v", got)
	}
}

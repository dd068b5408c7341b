package proxy

import (
	"context"
	"testing"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/loop"
)

// looped says that requests which an event loop serves are served by one.
var looped bool

// bothWays runs all tests twice: with a goroutine for each request, and with a loop.
type bothWays struct{ m *testing.M }

func (b bothWays) Run() int {
	if code := b.m.Run(); code != 0 {
		return code
	}
	looped = true
	return b.m.Run()
}

func newLoop(t testing.TB) *loop.Loop {
	t.Helper()
	l, err := loop.New()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// run runs a loop until the test ends.
func run(t testing.TB, l *loop.Loop) {
	ended := make(chan struct{})
	go func() { defer close(ended); l.Run() }()
	t.Cleanup(func() { l.Stop(); <-ended })
}

// client is one whose request the loop serves. It implements gateway.Caller.
type client struct {
	w     gateway.Reply
	call  gateway.Call
	done  chan *Call // nil when it was answered
	given bool
}

func (c *client) Answer(a *gateway.Answer, p gateway.Part, end bool) bool {
	if c.w.Head(a.Status, a.Reason, a.Fields, a.Length) != nil {
		return false
	}
	return c.Part(p, end)
}

func (c *client) Part(p gateway.Part, end bool) bool {
	if len(p.Body) > 0 {
		if _, err := c.w.Write(p.Body); err != nil {
			return false
		}
	}
	n := len(p.Body)
	p.Release()
	c.call.Taken(n)
	if !end {
		_ = c.w.Flush()
	}
	return !end || c.w.End(nil) == nil
}

func (c *client) Done() { c.done <- nil }

func (c *client) Promote(x gateway.Begun) { c.given = true; c.done <- x.(*Call) }

// Serve serves a request in the way of the test.
func (s *setup) Serve(ctx context.Context, r *gateway.Request, w gateway.Reply) error {
	replayed, waits := r.WorkerPID != 0, false
	if rec, is := w.(*recorder); is {
		waits = rec.onWrite != nil || rec.onFlush != nil // as no client of the loop may
	}
	if !s.looped || replayed || waits || r.Upgrade != "" || r.Method == "CONNECT" || r.Body.Stream != nil || r.Body.File != nil || len(r.Body.Inline) > 40<<10 {
		return s.Backend.Serve(ctx, r, w)
	}
	on := &client{w: w, done: make(chan *Call, 2)}
	c := s.NewCall().(*Call)
	on.call = c
	s.Loop.Post(func() { c.Submit(on, r) })
	stop := context.AfterFunc(ctx, func() {
		s.Loop.Post(func() {
			if !on.given && c.stage != idle {
				c.Promote()
			}
		})
	})
	defer stop()
	given := <-on.done
	if given == nil {
		r.Slot, r.WorkerPID = 0, 1000
		return nil
	}
	r.Begun = given
	return s.Backend.Serve(ctx, r, w)
}

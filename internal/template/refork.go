package template

import (
	"context"
	"errors"

	"github.com/gonicorn/gonicorn/arbiter"
	"github.com/gonicorn/gonicorn/internal/gatewaylink"
	"github.com/gonicorn/gonicorn/internal/wire"
	"github.com/gonicorn/gonicorn/workers/python"
)

// reforkState is the progress of refork_after in a generation.
type reforkState int

const (
	reforkOff      reforkState = iota // off or given up: workers are forked from a template that has served nothing
	reforkWanted                      // a worker that has served enough requests shall become the template
	reforkPromoted                    // a worker has become the template
)

// refork is the state of refork_after in one generation. The template's mu guards
// it.
type refork struct {
	state  reforkState
	after  int                      // requests
	orders map[int]*python.Template // by slot: socket over which a worker is told to become the template
	copies map[int]bool             // by slot: whether the worker was forked from one that had served
}

func newRefork(after int) refork {
	r := refork{after: after, orders: map[int]*python.Template{}, copies: map[int]bool{}}
	if after > 0 {
		r.state = reforkWanted
	}
	return r
}

// close closes the sockets of workers that were not promoted.
func (r *refork) close() {
	for _, o := range r.orders {
		o.Close()
	}
	clear(r.orders)
}

// take makes the socket over which a new worker can be told to become the
// template. It returns the worker's end, or -1 if there is none.
func (t *Template) take(slot int) (theirs int) {
	r := &t.refork
	if old := r.orders[slot]; old != nil {
		old.Close()
		delete(r.orders, slot)
	}
	r.copies[slot] = r.state == reforkPromoted
	if r.state != reforkWanted {
		return -1
	}
	ours, theirs, err := gatewaylink.SocketPair()
	if err != nil {
		t.log().Warn("this worker cannot become the template", "error", err)
		return -1
	}
	r.orders[slot] = python.NewTemplate(ours)
	return theirs
}

// Wanted implements arbiter.Refork.
func (t *Template) Wanted() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.refork.state == reforkWanted && !t.closed
}

// Promote implements arbiter.Refork.
func (t *Template) Promote(p arbiter.Place) {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := t.refork.orders[p.Slot]
	if next == nil || t.refork.state != reforkWanted || t.closed {
		return
	}
	delete(t.refork.orders, p.Slot)
	if err := next.Promote(); err != nil {
		next.Close()
		return // the worker is gone already
	}
	go t.awaitPromotion(next)
}

// awaitPromotion waits until a worker is ready to be the template, makes it the
// template, and has all workers replaced by copies of it. The worker may refuse,
// or end before that.
func (t *Template) awaitPromotion(next *python.Template) {
	pid, err := next.Ready(0)
	t.mu.Lock()
	defer t.mu.Unlock()
	generation := t.environ[wire.EnvGeneration]
	if err != nil || t.closed || t.refork.state != reforkWanted {
		next.Close()
		if refused := new(python.RefusedError); errors.As(err, &refused) {
			t.refork.state = reforkOff
			t.refork.close()
			t.log().Warn("refork_after does nothing until the next reload: copies of a worker that has served would not be safe",
				"reason", refused.Reason, "generation", generation, "code", "GON061")
		}
		return
	}
	if t.current != nil {
		t.current.Close() // watch will see that it was superseded
	}
	t.become(next, pid)
	t.refork.state = reforkPromoted
	t.refork.close()
	t.log().Info("a worker that has served is the template now", "pid", pid, "generation", generation)
	go t.Renew(arbiter.Reforked)
}

// Lost implements arbiter.Refork. If a copy of a worker that had served hangs or
// dies young, forking that worker was probably not safe. A template that has
// served nothing takes its place for the rest of the generation.
func (t *Template) Lost(p arbiter.Place, why string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.refork.state != reforkPromoted || !t.refork.copies[p.Slot] || t.closed {
		return
	}
	t.refork.state = reforkOff
	if t.current != nil {
		t.current.Close()
		t.current = nil
	}
	t.log().Error("a copy of a worker that had served was lost: all workers are replaced by copies of a template that has served nothing, "+
		"until the next reload", "worker", p.ID, "reason", why, "code", "GON062")
	go func() {
		if err := t.start(context.Background()); err != nil {
			t.log().Error("no template", "error", err, "again_in", templateFirst.String())
			t.again()
		}
		t.Renew(arbiter.ReforkUndone)
	}()
}

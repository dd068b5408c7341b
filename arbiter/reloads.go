package arbiter

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// errSuperseded says that a newer reload replaced this one.
var errSuperseded = errors.New("superseded by a newer reload")

// Outcome is what became of a reload.
type Outcome struct {
	Note string // what the operator should know about a reload that succeeded; may be empty
	Err  error  // why the old generation keeps serving; nil if the new one serves
}

// reloads says which reload is wanted or loading, and who waits for its outcome.
// The newest reload wins: it ends the loading, trial or rollout of the one before.
type reloads struct {
	wanted  bool // a reload was asked for and has not begun
	loading bool // Load is running
	cancel  context.CancelFunc
	askers  []chan<- Outcome         // waiting for the reload that has not begun
	waiters map[int][]chan<- Outcome // waiting for a reload that has begun, by generation
}

// outcome is what became of the reload to one generation.
type outcome struct {
	number int
	Outcome
}

// Reload reads the config again, replaces the workers, and waits for the
// outcome.
func (a *Arbiter) Reload(ctx context.Context) Outcome {
	answer := make(chan Outcome, 1)
	a.post(reloadAsked{answer})
	select {
	case got := <-answer:
		return got
	case <-a.loop.done:
		return Outcome{Err: fmt.Errorf("ask arbiter: %w", ErrStopped)}
	case <-ctx.Done():
		return Outcome{Err: fmt.Errorf("ask arbiter: %w", context.Cause(ctx))}
	}
}

// wantReload makes the loop read the config again. It does not wait for a reload
// that is in progress.
func (a *Arbiter) wantReload() {
	r := &a.reloads
	r.wanted = true
	if r.loading {
		a.Log.Info("a newer reload replaces the one in progress")
		r.cancel()
	}
}

// load reads the config in another goroutine.
func (a *Arbiter) load(ctx context.Context) {
	r := &a.reloads
	r.loading, r.wanted = true, false
	ctx, r.cancel = context.WithCancel(ctx)
	a.number++
	number := a.number
	if len(r.askers) > 0 {
		if r.waiters == nil {
			r.waiters = map[int][]chan<- Outcome{}
		}
		r.waiters[number], r.askers = r.askers, nil
	}
	a.Log.Info("reloading", "generation", number)
	go func() {
		what, err := a.Load(ctx, number)
		a.post(loaded{number, what, err})
	}()
}

// loaded continues a reload with what was read, unless a newer reload is wanted.
func (a *Arbiter) loaded(e loaded, now time.Duration) {
	r := &a.reloads
	r.loading = false
	r.cancel()
	switch {
	case r.wanted:
		a.discard(e.what)
		a.answer(e.number, Outcome{Err: errSuperseded})
	case e.err != nil:
		a.workers.loadFailed(e.number, e.err)
	case a.workers.phase > idle:
		a.discard(e.what)
	default:
		a.ending.emptying = false
		if a.front != nil {
			a.front.resume()
		}
		together := e.what.Front != nil && a.front != nil
		a.workers.reload(e.what.Workers, together, e.what.NoTrial, now)
		if together {
			a.frontNext = e.what.Front
		}
	}
}

// startFront starts the gateway that takes over together with the workers'
// candidate. It waits until the candidate has passed its trial: until then the
// canary serves behind the gateway that runs now.
func (a *Arbiter) startFront(now time.Duration) {
	next, c := a.frontNext, a.workers.candidate
	switch {
	case next == nil:
	case c == nil || c.gen.Number != next.Number:
		a.frontNext = nil
		a.released = append(a.released, next)
	case c.proven:
		a.frontNext = nil
		a.front.reload(next, true, "", now)
	}
}

// discard releases what was loaded but never started.
func (a *Arbiter) discard(what Loaded) {
	for _, g := range []*Generation{what.Workers, what.Front} {
		if g != nil {
			a.released = append(a.released, g)
		}
	}
}

// answerReloads tells those who wait for a reload what became of it.
func (a *Arbiter) answerReloads() {
	for _, o := range a.workers.reloaded.outcomes {
		a.answer(o.number, o.Outcome)
	}
	a.workers.reloaded.outcomes = nil
}

func (a *Arbiter) answer(number int, o Outcome) {
	for _, waiter := range a.reloads.waiters[number] {
		waiter <- o
	}
	delete(a.reloads.waiters, number)
}

package arbiter

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// errSuperseded says that a reload was given up in favour of a newer one.
var errSuperseded = errors.New("superseded by a newer reload")

// Outcome is what became of a reload.
type Outcome struct {
	Note string // what the operator should know of one that succeeded; may be empty
	Err  error  // why the old generation keeps serving; nil when the new one serves
}

// reloads is who waits for which reload. The newest reload wins: it ends the
// loading, the trial or the rollout of the one before.
type reloads struct {
	wanted  bool // a reload was asked for that has not begun
	loading bool // Load is running
	cancel  context.CancelFunc
	askers  []chan<- Outcome         // wait for the reload that has not begun
	waiters map[int][]chan<- Outcome // wait for one that has, by generation
}

// outcome is what a fleet says of the reload to a generation.
type outcome struct {
	number int
	Outcome
}

// Reload reads the config again, exchanges the workers, and waits for the
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

// wantReload has the config read again, at once: nothing waits for a reload that
// is in progress.
func (a *Arbiter) wantReload() {
	r := &a.reloads
	r.wanted = true
	if r.loading {
		a.Log.Info("a newer reload replaces the one in progress")
		r.cancel()
	}
}

// load reads the config away from the loop.
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

// loaded goes on with what was read, unless there is a newer reload by now.
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
// candidate, once that has passed its trial: until then its canary serves
// behind the gateway that runs.
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

// discard gives up what was loaded and never started.
func (a *Arbiter) discard(what Loaded) {
	for _, g := range []*Generation{what.Workers, what.Front} {
		if g != nil {
			a.released = append(a.released, g)
		}
	}
}

// answerReloads tells those who wait for reloads what became of them.
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

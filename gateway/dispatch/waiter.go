package dispatch

import (
	"context"
	"time"
)

// Waiter is a request that waits without a goroutine: an event loop's.
type Waiter struct {
	// Called is called once: with the slot of the worker whose place the request has
	// got, or with -1 if it gets none. That is with the pool locked, from any
	// goroutine: it must not wait, nor use the pool.
	Called func(at int)
	w      waiter
	at     int // once it was called
}

// Enter is Acquire for whoever must not wait. Where there is no place now, it
// returns false, and w waits for one.
func (p *Pool) Enter(w *Waiter) (at int, now bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at, err = p.enter(); err != nil || at != noPlace {
		return at, err == nil, err
	}
	w.w.turn, w.w.called, w.w.since, w.w.place.Of = nil, w.call, time.Now(), &w.w
	p.queueUp(&w.w)
	return noPlace, false, nil
}

func (w *Waiter) call(at int) {
	w.at = at
	w.Called(at)
}

// Taken says that the place that w was called for is used, and returns how long
// it was waited for.
func (p *Pool) Taken(w *Waiter) (waited time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	waited = time.Since(w.w.since)
	p.counts.Waited++
	p.counts.WaitTime += waited
	return waited
}

// Keep has w wait for a goroutine that calls Wait, in place of Called. A place that
// it has been called for already is the goroutine's too.
func (p *Pool) Keep(w *Waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.w.turn = make(chan int, 1)
	if p.timeout > 0 {
		w.w.timer = time.NewTimer(p.timeout - time.Since(w.w.since))
	}
	if w.w.place.In() == nil {
		w.w.turn <- w.at
	}
}

// Wait waits as Acquire does, for what Enter has begun and Keep has kept.
func (p *Pool) Wait(ctx context.Context, w *Waiter) (at int, waited time.Duration, err error) {
	return p.wait(ctx, &w.w)
}

// Leave gives up what Keep has kept.
func (p *Pool) Leave(w *Waiter) {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	if at, _, err := p.Wait(over, w); err == nil {
		p.Release(at)
	}
}

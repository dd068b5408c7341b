package dispatch

import (
	"context"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/internal/fifo"
)

// waiter is one request that waits. It belongs to the queue until it has been
// removed; who removed it to give it a slot calls it.
type waiter struct {
	turn   chan int     // has room for one; nil while call is called instead
	called func(at int) // likewise
	since  time.Time
	timer  *time.Timer // nil without a timeout
	place  fifo.Place[*waiter]
}

// call tells who waits that it has a slot, or noPlace.
func (w *waiter) call(at int) {
	if w.turn == nil {
		w.called(at)
		return
	}
	w.turn <- at
}

// noPlace is sent in place of a slot to a waiter that gets none.
const noPlace = -1

// Acquire takes a place at the least loaded worker and returns its slot, which
// the caller releases. It waits behind those who wait already, and says how
// long; it fails with gateway.ErrNoCapacity when the queue is full or the time
// is up, and with the context's cause. A slot may be that of a worker that has
// vanished since.
func (p *Pool) Acquire(ctx context.Context) (at int, waited time.Duration, err error) {
	p.mu.Lock()
	at, err = p.enter()
	if err != nil || at != noPlace {
		p.mu.Unlock()
		return at, 0, err
	}
	w := p.newWaiter()
	p.queueUp(w)
	p.mu.Unlock()
	defer p.waiters.Put(w)
	return p.wait(ctx, w)
}

// enter takes a place that is free, if nobody waits for one, or returns noPlace
// where there is room in the queue.
func (p *Pool) enter() (at int, err error) {
	p.count()
	if p.queue.First() == nil && !p.closed {
		if s := p.pick(); s != nil {
			s.inFlight++
			return s.worker.Slot, nil
		}
	}
	if p.queue.Len() >= p.size || p.closed {
		p.counts.Refused++
		return noPlace, gateway.ErrNoCapacity
	}
	return noPlace, nil
}

func (p *Pool) queueUp(w *waiter) {
	p.queue.Push(&w.place)
	if s := p.trial; s != nil && s.open() && p.may(s) {
		p.give(s)
	}
}

func (p *Pool) newWaiter() *waiter {
	w, _ := p.waiters.Get().(*waiter)
	if w == nil {
		w = &waiter{turn: make(chan int, 1)}
		w.place.Of = w
	}
	w.since = time.Now()
	switch {
	case p.timeout <= 0:
	case w.timer == nil:
		w.timer = time.NewTimer(p.timeout)
	default:
		w.timer.Reset(p.timeout)
	}
	return w
}

func (p *Pool) wait(ctx context.Context, w *waiter) (at int, waited time.Duration, err error) {
	var expired <-chan time.Time
	if w.timer != nil {
		expired = w.timer.C
	}
	given := false
	select {
	case at = <-w.turn:
		given = true
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-expired:
		err = gateway.ErrNoCapacity
	}
	waited = time.Since(w.since)
	at, err = p.leave(w, at, given, waited, err)
	if w.timer != nil {
		w.timer.Stop()
	}
	return at, waited, err
}

// leave takes a waiter out of the queue and settles what happens when its turn
// came at the same moment as its end: a slot that came too late for the time is
// taken, one whose client has gone goes to the next.
func (p *Pool) leave(w *waiter, at int, given bool, waited time.Duration, err error) (int, error) {
	p.mu.Lock()
	if !given {
		if w.place.In() != nil {
			p.queue.Remove(&w.place)
		} else {
			at, given = <-w.turn, true
		}
	}
	if given && at == noPlace {
		given, err = false, gateway.ErrNoCapacity
	}
	p.counts.Waited++
	p.counts.WaitTime += waited
	giveBack := false
	switch {
	case err == nil:
	case err == gateway.ErrNoCapacity && given:
		err = nil
	case err == gateway.ErrNoCapacity:
		p.counts.TimedOut++
	default:
		p.counts.Left++
		giveBack = given
	}
	p.mu.Unlock()
	if giveBack {
		p.Release(at)
	}
	return at, err
}

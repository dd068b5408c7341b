package arbiter

import (
	"fmt"
	"slices"
	"time"
)

// rollout is a reload in progress: a whole new generation that becomes ready
// beside the one that serves. Either all of it takes over, or none of it.
type rollout struct {
	gen  *Generation
	want int // seats that it needs

	ready bool // all of them
}

// reload starts exchanging the current generation for gen. One in progress is
// given up first.
func (f *fleet) reload(gen *Generation, now time.Duration) {
	if f.candidate != nil {
		f.abandon(now, "superseded by a newer one")
	}
	if f.phase == idle {
		f.phase = serving
		f.target = 0 // nobody serves whom the new generation would have to match
	}
	for _, s := range f.seats {
		f.leave(s.next, now, "superseded by a reload")
		s.next = nil
	}
	f.candidate = &rollout{gen: gen, want: gen.Settings.Workers}
}

// advance starts what the candidate generation lacks and lets it take over
// once all of it is ready.
func (f *fleet) advance(now time.Duration) time.Duration {
	c := f.candidate
	if c == nil {
		return forever
	}
	for len(f.seats) < c.want {
		f.seats = append(f.seats, &seat{id: f.freeID(), fresh: true})
		f.sortSeats()
	}
	isReady := 0
	for _, s := range f.seats[:c.want] {
		if s.next == nil {
			w, again := f.start(s, c.gen, now)
			if again {
				return now
			}
			if w == nil {
				f.abandon(now, fmt.Sprintf("worker %d could not be started", s.id))
				return now
			}
			s.next = w
		}
		if s.next.stage == ready {
			isReady++
		}
	}
	c.ready = isReady == c.want
	if c.ready && f.mayCommit() {
		f.commit(now)
		return now
	}
	return forever
}

// commit makes the candidate generation the current one and lets the old one
// drain.
func (f *fleet) commit(now time.Duration) {
	c := f.candidate
	f.candidate = nil
	f.log.Info("new generation serves", "generation", c.gen.Number, "workers", c.want)
	for i, s := range slices.Clone(f.seats) {
		if i >= c.want {
			f.dropSeat(s, now, "reload")
			continue
		}
		f.leave(s.current, now, "reload")
		*s = seat{id: s.id, current: s.next}
	}
	f.retired(f.current)
	f.current, f.target, f.lastFault = c.gen, c.want, ""
	f.everReady = true
	if c.gen.Adopted != nil {
		c.gen.Adopted()
	}
}

// abandon gives a reload up: the current generation goes on as if nothing had
// been.
func (f *fleet) abandon(now time.Duration, why string) {
	c := f.candidate
	f.candidate = nil
	f.lastFault = why
	f.retired(c.gen)
	f.log.Error("reload failed: the old generation keeps serving",
		"generation", c.gen.Number, "serving", f.current.Number, "reason", why)
	for _, s := range slices.Clone(f.seats) {
		if s.next != nil && s.next.gen == c.gen {
			f.leave(s.next, now, "reload failed")
			s.next = nil
		}
		if s.fresh {
			f.dropSeat(s, now, "reload failed")
		}
	}
	if f.target == 0 {
		f.target = f.current.Settings.Workers // a reload out of WINCH: nobody would serve otherwise
	}
	f.failed(why)
}

// replaceWorn starts successors for workers that have served long enough and
// lets a worker go once its successor is ready. At most a quarter of the
// workers are on their way out for this reason, and they leave one at a time.
func (f *fleet) replaceWorn(now time.Duration) time.Duration {
	if f.candidate != nil {
		return forever // the reload replaces everybody anyway
	}
	leavingNow, onTheWay := false, 0
	for _, w := range f.leaving {
		leavingNow = leavingNow || w.planned
		if w.planned {
			onTheWay++
		}
	}
	for _, s := range f.seats {
		if s.next != nil {
			onTheWay++
		}
	}
	most, wake := max(1, f.target/4), forever
	for _, s := range f.seats {
		if s.current != nil && s.current.stage == ready && s.next == nil {
			v, limit := f.hands.vitals(s.current)
			s.current.retire = worn(s.current, v, limit, now)
			if s.current.retire != "" && onTheWay < most {
				wake = min(wake, f.startSuccessor(s, now))
				if s.next != nil {
					onTheWay++
				}
			}
		}
		if s.next != nil && s.next.stage == ready && (!leavingNow || s.current == nil) {
			if s.current != nil {
				s.current.planned = true
				f.leave(s.current, now, s.current.retire)
				leavingNow = true
			}
			s.current, s.next = s.next, nil
		}
	}
	return wake
}

func (f *fleet) startSuccessor(s *seat, now time.Duration) time.Duration {
	if now < s.notBefore {
		return s.notBefore
	}
	w, again := f.start(s, f.current, now)
	switch {
	case again:
		return now
	case w == nil:
		return s.notBefore
	}
	s.next = w
	return forever
}

// loadFailed takes note that a reload ended before anything was started.
func (f *fleet) loadFailed(err error) {
	f.lastFault = err.Error()
	f.log.Error("reload failed: the old generation keeps serving", "serving", f.current.Number, "error", err)
	if f.phase == idle {
		f.phase, f.target = serving, f.current.Settings.Workers
	}
}

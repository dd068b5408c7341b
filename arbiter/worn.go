package arbiter

import (
	"time"
)

// replaceWorn starts successors for workers that have served long enough, and
// lets a worker go once its successor is ready. At most a quarter of the workers
// are being replaced for this reason at any time, and they leave one by one.
func (f *fleet) replaceWorn(now time.Duration) time.Duration {
	if f.candidate != nil {
		return forever // the reload replaces all workers anyway
	}
	leavingNow, onTheWay := false, 0
	for _, w := range f.leaving {
		leavingNow = leavingNow || w.leaving.planned
		if w.leaving.planned {
			onTheWay++
		}
	}
	for _, s := range f.positions {
		if s.next != nil {
			onTheWay++
		}
	}
	most, wake := max(1, f.size.target/4), forever
	for _, s := range f.positions {
		if s.current != nil && s.current.stage == ready && s.next == nil {
			v, limit := f.procs.vitals(s.current)
			if s.current.gen != f.current {
				s.current.retireFor(byFailedReload, false)
			}
			if worn(s.current, v, limit, now) && onTheWay < most {
				wake = min(wake, f.startSuccessor(s, now))
				if s.next != nil {
					onTheWay++
				}
			}
		}
		if s.next != nil && s.next.stage == ready && (!leavingNow || s.current == nil) {
			if s.current != nil {
				s.current.leaving.planned = true
				f.promotes(s.current)
				f.leave(s.current, now, s.current.leaving.wanted)
				leavingNow = true
			}
			s.current, s.next = s.next, nil
		}
	}
	return wake
}

func (f *fleet) startSuccessor(s *position, now time.Duration) time.Duration {
	if f.reloaded.stale != "" {
		return forever // a successor would not start: the workers that serve stay
	}
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

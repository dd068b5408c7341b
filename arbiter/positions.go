package arbiter

import (
	"slices"
	"time"
)

// fitPositions adds or drops positions until there are as many as wanted. A new
// position takes the lowest free number. The one with the oldest worker is
// dropped first.
func (f *fleet) fitPositions(now time.Duration) {
	for f.committed() < f.size.target {
		f.positions = append(f.positions, &position{id: f.freeID()})
		f.sortPositions()
	}
	for f.committed() > f.size.target {
		s := f.oldestPosition()
		f.dropPosition(s, now, byScaling)
	}
}

// committed counts the positions that the current generation has.
func (f *fleet) committed() int {
	n := 0
	for _, s := range f.positions {
		if !s.fresh {
			n++
		}
	}
	return n
}

func (f *fleet) sortPositions() {
	slices.SortFunc(f.positions, func(a, b *position) int { return a.id - b.id })
}

func (f *fleet) freeID() int {
	id := 1
	for _, s := range f.positions {
		if s.id == id {
			id++
		}
	}
	return id
}

func (f *fleet) oldestPosition() *position {
	age := func(s *position) int {
		if s.current == nil {
			return 0 // no worker is lost with it
		}
		return s.current.place.Age
	}
	var oldest *position
	for _, s := range f.positions {
		if !s.fresh && (oldest == nil || age(s) < age(oldest)) {
			oldest = s
		}
	}
	return oldest
}

func (f *fleet) dropPosition(s *position, now time.Duration, why cause) {
	f.leave(s.current, now, because(why))
	f.leave(s.next, now, because(why))
	s.current, s.next = nil, nil
	f.positions = slices.DeleteFunc(f.positions, func(x *position) bool { return x == s })
}

// fillPositions starts a worker in every position that has none.
func (f *fleet) fillPositions(now time.Duration) time.Duration {
	wake := forever
	for _, s := range f.positions {
		if s.current != nil || s.fresh {
			continue
		}
		if s.next != nil && s.next.gen == f.current {
			continue // a planned successor is already on its way
		}
		if now < s.notBefore {
			wake = min(wake, s.notBefore)
			continue
		}
		if w, again := f.start(s, f.current, now); w != nil {
			s.current = w
		} else if again {
			return now
		}
	}
	return wake
}

// vacated decides when a position that lost its worker gets the next one, and
// whether to give up.
func (f *fleet) vacated(s *position, w *worker, now time.Duration) {
	if w.starved() {
		s.notBefore = now + limitDelay(f.random())
		f.history.restarts++
		return
	}
	settings := w.gen.Settings
	delay := s.restart.nextDelay(now, w.readyAt, settings.RestartImmediately, f.random())
	s.notBefore = now + delay
	f.history.restarts++
	f.mayBeStale(w)
	if f.history.everReady || settings.RestartNeverGivesUp || f.phase != serving {
		return
	}
	if w.said.fault != "" && w.appMissing() || s.restart.failures >= bootTries {
		f.history.gaveUp = newBootError(f.role, s.restart.failures, w)
	}
}

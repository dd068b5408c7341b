package arbiter

import (
	"fmt"
	"log/slog"
	"time"
)

// stopInOrder makes a graceful stop go from the outside in: the gateway
// finishes what it has with the help of the workers, and the guard and the monitor go last.
func (a *Arbiter) stopInOrder(now time.Duration) {
	if a.workers.phase >= quitting {
		return
	}
	if a.ending.by == 0 {
		return
	}
	if a.front != nil {
		a.front.stop(now)
		if !a.front.empty() {
			return
		}
	}
	a.workers.stop(now)
	a.workers.letAll(true)
	for _, w := range a.workers.leaving {
		if w.stage == stalled {
			a.workers.showStacks(w, now, reason{}) // what it might have finished has gone with the gateway
		}
		w.leaving.deadline = min(w.leaving.deadline, max(a.ending.by, now+quickGrace))
	}
}

// emptyInOrder stops the gateway at WINCH, and then the workers behind it.
// Connections wait in the backlog until a reload.
func (a *Arbiter) emptyInOrder(now time.Duration) {
	if !a.ending.emptying || a.ending.by > 0 || a.workers.phase != serving {
		return
	}
	a.front.drain(now)
	if a.front.empty() {
		a.ending.emptying = false
		a.workers.drain(now)
	}
}

// finished reports whether all that was started is gone. The guard and the
// monitor have nobody left to look after then, and are ended as well.
func (a *Arbiter) finished() bool {
	if a.workers.phase < stopping || !a.workers.empty() || len(a.children.stragglers) > 0 {
		return false
	}
	if a.front != nil && !a.front.empty() {
		return false
	}
	gone := true
	for _, f := range a.beside {
		if f.empty() {
			continue
		}
		gone = false
		if f.phase == quitting {
			continue
		}
		f.log = slog.New(slog.DiscardHandler) // its end is no news
		f.quitAll(now())
		for _, w := range f.leaving {
			f.move(w, killed, reason{})
			a.children.kernel.kill(w)
		}
	}
	return gone
}

// beginStop starts a graceful stop, which ends within graceful_timeout.
func (a *Arbiter) beginStop(now time.Duration) {
	a.refuse()
	if a.ending.by == 0 {
		grace := a.workers.current.Settings.GracefulTimeout
		a.ending.by = now + grace
		if n := a.inFlight(); n > 0 {
			plural := "s"
			if n == 1 {
				plural = ""
			}
			a.Log.Info(fmt.Sprintf("waiting for %d request%s, up to %s", n, plural, grace))
		}
	}
}

// inFlight is how many requests workers have, or wait for one, if these are more:
// one on its way may be among both.
func (a *Arbiter) inFlight() int64 {
	var held, waiting int64
	for _, f := range a.fleets() {
		for _, w := range f.workers() {
			if v, _ := f.procs.vitals(w); f == a.workers {
				held += v.inFlight
			} else if f == a.front {
				waiting += int64(v.waiting)
			}
		}
	}
	return max(held, waiting)
}

// refuse has nothing more accepted.
func (a *Arbiter) refuse() {
	if !a.ending.refuses && a.Refuse != nil {
		a.Refuse()
	}
	a.ending.refuses = true
}

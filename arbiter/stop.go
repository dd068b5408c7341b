package arbiter

import (
	"fmt"
	"log/slog"
	"time"
)

// stopInOrder makes a graceful stop go from the outside in. The gateway stops
// first, because it needs the workers to finish its requests. The guard and the
// monitor stop last.
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
			a.workers.showStacks(w, now, reason{}) // the gateway is gone, and with it the requests that the worker could have finished
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

// finished reports whether every process that was started is gone. Once the
// workers and the gateway are gone, it ends the guard and the monitor too.
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
		f.log = slog.New(slog.DiscardHandler) // nobody needs to read about its end
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

// inFlight is the number of requests that workers have in flight, or the number
// that wait for a worker, whichever is larger. They are not added up, because a
// request may be counted in both.
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

// refuse stops accepting connections.
func (a *Arbiter) refuse() {
	if !a.ending.refuses && a.Refuse != nil {
		a.Refuse()
	}
	a.ending.refuses = true
}

package arbiter

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/gonicorn/gonicorn/internal/status"
)

// ErrStopped says that the arbiter is no longer running.
var ErrStopped = errors.New("the arbiter has stopped")

// age is how long ago something began; 0 if it has not.
func age(now, since time.Duration) time.Duration {
	if since <= 0 {
		return 0
	}
	return now - since
}

// condition is the same as state, or "drained" after WINCH.
func (a *Arbiter) condition() string {
	if s := a.state(); s == "stopping" || a.workers.phase == serving && !a.ending.emptying {
		return s
	}
	return "drained"
}

// quiet is how long a worker may go without a heartbeat before status says so.
const quiet = 2 * time.Second

// shown is the stage that status shows for a worker. A worker whose process does
// nothing is not shown as ready, although it gets more time before it is replaced.
func (a *Arbiter) shown(w *worker, now time.Duration) string {
	if w.stage != ready {
		return w.stage.String()
	}
	v, _ := a.children.kernel.vitals(w)
	switch {
	case a.children.kernel.halted(w) != "":
		return "stopped"
	case v.silent(w, now) > quiet:
		return "silent"
	}
	return w.stage.String()
}

func (a *Arbiter) status(now time.Duration) status.Fleet {
	f := a.workers
	s := status.Fleet{
		Generation: f.current.Number, Wanted: f.size.target, Restarts: f.history.restarts, LastReload: f.reloaded.lastFault, Stale: f.reloaded.stale, LastNote: f.reloaded.lastNote, Trial: f.trialStatus(now),
		State: a.condition(), Reloads: f.reloaded.times, FailedReload: f.reloaded.failures, Ends: maps.Clone(f.history.ends),
		Reloading: a.reloads.loading || a.reloads.wanted || f.candidate != nil, LongestPause: a.loop.longestPause, Stragglers: len(a.children.stragglers),
	}
	for _, position := range f.positions {
		if position.current != nil && a.shown(position.current, now) == ready.String() {
			s.Ready++
		}
	}
	for _, f := range a.fleets() {
		for _, w := range f.workers() {
			v, _ := a.children.kernel.vitals(w)
			s.Workers = append(s.Workers, status.Worker{
				Role: f.role, ID: w.place.ID, PID: w.pid, Slot: w.place.Slot, Generation: w.gen.Number,
				Stage: a.shown(w, now), Age: now - w.started, Requests: v.requests, InFlight: v.inFlight,
				Answers: v.answers, Errors: v.errors, Waiting: v.waiting, LoopLag: v.lag, Request: v.requestID,
				RequestAge: age(now, v.requestStart), CPU: w.usage.cpu, RSS: w.usage.rss, Leaves: w.leaving.because.String(), Says: w.said.status, Busy: v.busy,
			})
		}
	}
	slices.SortStableFunc(s.Workers, func(a, b status.Worker) int { return a.ID - b.ID })
	return s
}

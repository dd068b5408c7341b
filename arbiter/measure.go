package arbiter

import (
	"time"

	"github.com/gonicorn/gonicorn/internal/proc"
)

// watchedFor is how long somebody who asked how things are is thought to go on
// asking.
const watchedFor = 10 * time.Second

const (
	sampleEvery = 2 * time.Second
	trialEvery  = 500 * time.Millisecond // while a canary serves
)

// sample measures from time to time what the workers use, where that counts.
func (a *Arbiter) sample(now time.Duration) time.Duration {
	set := a.workers.current.Settings
	every := sampleEvery
	if c := a.workers.candidate; c != nil && !c.proven {
		every = trialEvery
	} else if set.MaxMemory <= 0 && set.Elastic.Max <= 0 && set.Elastic.Budget <= 0 && now > a.watched {
		return forever
	}
	if a.workers.phase != serving {
		return forever
	}
	if a.sampling || now < a.nextSample {
		return max(a.nextSample, now+every/2)
	}
	a.sampling, a.nextSample = true, now+every
	var groups []int
	for _, f := range a.fleets() {
		for _, w := range f.workers() {
			groups = append(groups, w.pid)
		}
	}
	go func() {
		use, err := proc.GroupUse(groups)
		if err != nil {
			a.Log.Warn("cannot measure the workers", "error", err)
		}
		a.post(measured{now, use})
	}()
	return a.nextSample
}

func (a *Arbiter) measured(m measured) {
	a.sampling = false
	for _, f := range a.fleets() {
		for _, w := range f.workers() {
			w.uses(m.use[w.pid], m.at)
		}
	}
	for _, s := range a.workers.positions {
		w := s.current
		if w == nil {
			continue
		}
		if limit := w.gen.Settings.MaxMemory; limit > 0 && w.rss > limit && !w.retire.given() {
			w.retireFor(byMaxMemory, false)
			a.Log.Warn("worker is over max_memory", "worker", s.id, "pid", w.pid, "rss", w.rss, "max_memory", limit)
		}
	}
	a.measureMemory()
	a.keepBudget(m.at)
}

// uses takes note of what a worker's processes use.
func (w *worker) uses(use proc.Use, at time.Duration) {
	if w.cpuTime > 0 && at > w.measured {
		w.cpu = max(0, float64(use.CPU-w.cpuTime)/float64(at-w.measured))
	}
	w.rss, w.cpuTime, w.measured = use.RSS, use.CPU, at
}

package arbiter

import (
	"time"

	"github.com/gonicorn/gonicorn/internal/proc"
)

// watchedFor is how long sampling goes on after somebody asked for the status:
// they will probably ask again.
const watchedFor = 10 * time.Second

const (
	sampleEvery = 2 * time.Second
	trialEvery  = 500 * time.Millisecond // while a canary serves
)

// sample measures periodically what the workers use, if anything needs to know.
func (a *Arbiter) sample(now time.Duration) time.Duration {
	set := a.workers.current.Settings
	every := sampleEvery
	if c := a.workers.candidate; c != nil && !c.proven {
		every = trialEvery
	} else if set.MaxMemory <= 0 && set.Elastic.Max <= 0 && set.Elastic.Budget <= 0 && now > a.scaling.watched {
		return forever
	}
	if a.workers.phase != serving {
		return forever
	}
	if a.memory.sampling || now < a.memory.next {
		return max(a.memory.next, now+every/2)
	}
	a.memory.sampling, a.memory.next = true, now+every
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
	return a.memory.next
}

func (a *Arbiter) measured(m measured) {
	a.memory.sampling = false
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
		if limit := w.gen.Settings.MaxMemory; limit > 0 && w.usage.rss > limit && !w.leaving.wanted.given() {
			w.retireFor(byMaxMemory, false)
			a.Log.Warn("worker is over max_memory", "worker", s.id, "pid", w.pid, "rss", w.usage.rss, "max_memory", limit)
		}
	}
	a.measureMemory()
	a.keepBudget(m.at)
}

// uses records what a worker's processes use.
func (w *worker) uses(use proc.Use, at time.Duration) {
	if w.usage.cpuTime > 0 && at > w.usage.measured {
		w.usage.cpu = max(0, float64(use.CPU-w.usage.cpuTime)/float64(at-w.usage.measured))
	}
	w.usage.rss, w.usage.cpuTime, w.usage.measured = use.RSS, use.CPU, at
}

package arbiter

import (
	"math"
	"time"
)

// recycleEvery is the least time between two replacements for the memory budget:
// long enough to see whether the first one helped.
const recycleEvery = time.Minute

// memoryUse is the workers' resident memory in bytes, and the budget that they
// share. A worker that has not been measured counts as much as the largest one,
// which reserves what it will use.
type memoryUse struct {
	budget   int64 // for all workers together; 0 is no bound
	held     int64 // by the workers that serve or start
	leaving  int64 // by the workers that were told to go
	largest  int64 // of one worker
	smallest int64 // of one measured worker
}

// add counts a worker that is wanted.
func (m *memoryUse) add(rss int64) {
	m.held += rss
	m.largest = max(m.largest, rss)
	if m.smallest == 0 || rss < m.smallest {
		m.smallest = rss
	}
}

// over reports whether the workers that are wanted hold more than the budget.
func (m memoryUse) over() bool { return m.budget > 0 && m.held > m.budget }

// room is how many more workers fit, each as large as the largest one.
func (m memoryUse) room() int {
	if m.budget <= 0 {
		return math.MaxInt
	}
	free := m.budget - m.held - m.leaving
	if free <= 0 {
		return 0
	}
	if m.largest == 0 {
		return 1 // their size is not known yet
	}
	return int(free / m.largest)
}

// fewer is how many of n workers may stay, at least least.
func (m memoryUse) fewer(n, least int) int {
	if !m.over() || m.largest == 0 {
		return n
	}
	excess := int((m.held - m.budget + m.largest - 1) / m.largest)
	return max(min(n, least), n-excess)
}

// cannotHold reports whether n workers exceed the budget even if each is as
// small as the smallest one is now.
func (m memoryUse) cannotHold(n int) bool {
	return m.budget > 0 && m.smallest*int64(n) > m.budget
}

// measureMemory adds up what the workers hold.
func (a *Arbiter) measureMemory() {
	f := a.workers
	m := memoryUse{budget: f.current.Settings.Elastic.Budget}
	unknown := 0
	for _, s := range f.positions {
		for _, w := range []*worker{s.current, s.next} {
			switch {
			case w == nil || w == s.current && s.next != nil:
				// This worker goes once its successor is ready. It is counted below.
			case w.stage == booting || w.usage.rss == 0 || w.usage.measured < w.readyAt:
				unknown++ // its size before the app was loaded says nothing
			default:
				m.add(w.usage.rss)
			}
		}
		if s.current != nil && s.next != nil {
			m.leaving += s.current.usage.rss
			m.largest = max(m.largest, s.current.usage.rss)
		}
	}
	for _, w := range f.leaving {
		m.leaving += w.usage.rss
	}
	m.held += int64(unknown) * m.largest
	a.memory.use = m
}

// keepBudget replaces the largest worker if all together are over the budget
// and none can be stopped. If that cannot help, it logs a warning.
func (a *Arbiter) keepBudget(now time.Duration) {
	f, m := a.workers, a.memory.use
	if !m.over() || f.phase != serving || f.candidate != nil {
		return
	}
	e := f.current.Settings.Elastic
	least := f.size.target // the number of workers is fixed
	if e.Max > 0 {
		least = a.floor(e)
	}
	if m.cannotHold(least) {
		if a.memory.warned != f.current {
			a.memory.warned = f.current
			a.Log.Warn("memory_budget cannot hold the workers that must run: raise it, or lower workers or workers_min",
				"memory_budget", m.budget, "workers", least, "smallest", m.smallest, "all", m.held, "code", "GON060")
		}
		return
	}
	if f.size.target > least || a.memory.recycled > 0 && now-a.memory.recycled < recycleEvery {
		return // scaling stops one, or the last replacement is too recent
	}
	s := f.largestPosition()
	if s == nil || s.current.leaving.wanted.given() {
		return
	}
	a.memory.recycled = now
	s.current.retireFor(byMemoryBudget, false)
	a.Log.Warn("workers are over memory_budget: replacing the largest", "worker", s.id, "pid", s.current.pid,
		"rss", s.current.usage.rss, "all", m.held, "memory_budget", m.budget)
}

// floor is the fewest workers that may run.
func (a *Arbiter) floor(e Elastic) int { return min(max(0, e.Min+a.workers.size.floor), e.Max) }

// largestPosition is the position of the largest worker that serves, or nil.
func (f *fleet) largestPosition() *position {
	var largest *position
	for _, s := range f.positions {
		if s.current != nil && !s.fresh && (largest == nil || s.current.usage.rss > largest.current.usage.rss) {
			largest = s
		}
	}
	return largest
}

// letLargest lets the n largest workers go, without successors.
func (f *fleet) letLargest(n int, now time.Duration) {
	for range n {
		s := f.largestPosition()
		if s == nil {
			return
		}
		f.dropPosition(s, now, byMemoryBudget)
	}
}

package scoreboard

import (
	"sync/atomic"
	"time"
)

// PendingMost is how many requests without an answer a Measure lists.
const PendingMost = 8

// Measure is what the requests of one worker were like, so that workers can be
// compared. The gateway keeps it in the worker's Account; a Go worker, which no
// gateway serves, in its own slot.
type Measure struct {
	Answers atomic.Uint64             // responses that went out
	Errors  atomic.Uint64             // answers with 5xx
	App     Histogram                 // time that the worker has had each request, of those that it is done with
	Pending [PendingMost]atomic.Int64 // when the oldest requests came whose answer has not begun; 0 is none
}

func (m *Measure) reset() {
	m.Answers.Store(0)
	m.Errors.Store(0)
	for i := range m.App.counts {
		m.App.counts[i].Store(0)
	}
	m.App.sum.Store(0)
	m.SetPending(nil)
}

// SetPending lists when requests came whose answer has not begun, the oldest first.
func (m *Measure) SetPending(since []int64) {
	for i := range m.Pending {
		at := int64(0)
		if i < len(since) {
			at = since[i]
		}
		m.Pending[i].Store(at)
	}
}

// Ages are how long the requests of Pending have waited by now.
func (m *Measure) Ages(now int64) (all []time.Duration) {
	for i := range m.Pending {
		if at := m.Pending[i].Load(); at > 0 && at < now {
			all = append(all, time.Duration(now-at))
		}
	}
	return all
}

// mostCount bounds what is read of a count that a worker may have written: sums
// of such do not overflow.
const mostCount = 1 << 40

// Read returns the histogram at this moment.
func (h *Histogram) Read() Distribution {
	d := h.read()
	for i := range d.Counts {
		d.Counts[i] = min(d.Counts[i], mostCount)
	}
	return d
}

// Over counts the durations that were surely longer than limit: those in
// buckets that begin there or above.
func (d Distribution) Over(limit time.Duration) (n uint64) {
	for i, count := range d.Counts {
		if i > 0 && i <= len(bounds) && bounds[i-1] >= limit {
			n += count
		}
	}
	return n
}

// Plus adds up two distributions.
func (d Distribution) Plus(other Distribution) Distribution {
	sum := Distribution{Counts: make([]uint64, len(bounds)+1), Sum: d.Sum + other.Sum}
	for i := range sum.Counts {
		if i < len(d.Counts) {
			sum.Counts[i] += d.Counts[i]
		}
		if i < len(other.Counts) {
			sum.Counts[i] += other.Counts[i]
		}
	}
	return sum
}

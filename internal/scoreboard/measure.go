package scoreboard

import (
	"sync/atomic"
	"time"
)

// PendingMost is how many requests without an answer a Measure lists.
const PendingMost = 8

// Measure describes the requests of one worker, so that workers can be compared.
// The gateway keeps it in the worker's Account. A Go worker has no gateway and
// keeps it in its own slot.
type Measure struct {
	Answers atomic.Uint64             // responses that were sent
	Errors  atomic.Uint64             // responses with 5xx
	App     Histogram                 // how long the worker took for each finished request
	Pending [PendingMost]atomic.Int64 // arrival times of the oldest requests without an answer so far; 0 is none
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

// SetPending sets the arrival times of requests without an answer so far, oldest first.
func (m *Measure) SetPending(since []int64) {
	for i := range m.Pending {
		at := int64(0)
		if i < len(since) {
			at = since[i]
		}
		m.Pending[i].Store(at)
	}
}

// Ages returns how long the requests in Pending have waited at now.
func (m *Measure) Ages(now int64) (all []time.Duration) {
	for i := range m.Pending {
		if at := m.Pending[i].Load(); at > 0 && at < now {
			all = append(all, time.Duration(now-at))
		}
	}
	return all
}

// mostCount bounds a count that a worker may have written, so that sums do not
// overflow.
const mostCount = 1 << 40

// Read returns the histogram at this moment.
func (h *Histogram) Read() Distribution {
	d := h.read()
	for i := range d.Counts {
		d.Counts[i] = min(d.Counts[i], mostCount)
	}
	return d
}

// Over counts the durations that are certainly longer than limit: those in buckets
// that begin at limit or above.
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

package process

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// The collector lets a heap grow to twice what is needed. That is cheap as long as
// it is small. A gateway that holds much for slow clients collects earlier: what
// it holds is buffers, which cost the collector little.
const (
	leanFrom  = 160 << 20 // bytes from which on it does
	leanShare = 8         // the part of what is needed that garbage may be
	leanLeast = 24 << 20  // and so many bytes more
	leanEvery = 500 * time.Millisecond
)

// lean moves the collector's limit (runtime/debug.SetMemoryLimit) along with what
// is needed. GOMEMLIMIT in the environment is left alone.
type lean struct {
	off  bool
	most int64 // the limit by the cgroup's; 0 is none
	is   int64 // the limit
	next time.Time
}

func newLean(most int64) *lean { return &lean{off: os.Getenv("GOMEMLIMIT") != "", most: most} }

// look sets the limit anew.
func (l *lean) look(now time.Time) {
	if l.off || now.Before(l.next) {
		return
	}
	l.next = now.Add(leanEvery)
	if limit := l.limit(neededMemory()); limit != l.is {
		l.is = limit
		debug.SetMemoryLimit(limit)
	}
}

// limit is what a gateway that needs so many bytes may have.
func (l *lean) limit(needed int64) int64 {
	limit := max(leanFrom, needed+needed/leanShare+leanLeast)
	if l.most > 0 {
		return min(limit, l.most)
	}
	return limit
}

// neededMemory is the heap that the last collection left, and the stacks.
func neededMemory() int64 {
	samples := [...]metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(samples[:])
	return int64(samples[0].Value.Uint64() + samples[1].Value.Uint64())
}

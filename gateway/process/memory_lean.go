package process

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// The collector lets a heap grow to twice what is needed. That is fine for a small heap.
// A gateway that holds much for slow clients collects earlier. That is cheap, since
// most of what it holds is buffers, which the collector does not scan.
const (
	leanFrom  = 160 << 20 // bytes: the limit is never lower
	leanShare = 8         // garbage may be this part of the needed memory: 1/8
	leanLeast = 24 << 20  // and so many bytes more
	leanEvery = 500 * time.Millisecond
)

// lean adjusts the collector's limit (runtime/debug.SetMemoryLimit) to the memory that
// is needed. It does nothing if the environment has GOMEMLIMIT.
type lean struct {
	off  bool
	most int64 // the limit that follows from the cgroup's; 0 is none
	is   int64 // the current limit
	next time.Time
}

func newLean(most int64) *lean { return &lean{off: os.Getenv("GOMEMLIMIT") != "", most: most} }

// look updates the limit, at most once every leanEvery.
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

// limit returns the limit for a gateway that needs so many bytes.
func (l *lean) limit(needed int64) int64 {
	limit := max(leanFrom, needed+needed/leanShare+leanLeast)
	if l.most > 0 {
		return min(limit, l.most)
	}
	return limit
}

// neededMemory returns the bytes of the heap after the last collection, and of stacks.
func neededMemory() int64 {
	samples := [...]metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(samples[:])
	return int64(samples[0].Value.Uint64() + samples[1].Value.Uint64())
}

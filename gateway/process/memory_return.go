package process

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Memory that is not needed any more goes back to the system within seconds. The runtime
// would keep it for minutes. A gateway that needs its memory runs no collection for this.
const (
	returnEvery = 3 * time.Second // between two checks
	returnMost  = 6 * time.Second // the longest time between two checks
	returnFrom  = 16 << 20        // bytes that are worth giving back
	returnShare = 100             // the time until the next check, as a multiple of how long giving back took
)

// memoryUse is what the runtime says about its memory.
type memoryUse struct {
	free       uint64 // bytes of free memory that the system has not got back
	used       uint64 // bytes of objects and stacks, including garbage
	live       uint64 // bytes of used that were not garbage at the last collection
	allocated  uint64 // bytes allocated since the start
	goroutines uint64
}

// memoryReturn gives unneeded memory back.
type memoryReturn struct {
	next      time.Time
	allocated uint64 // bytes allocated until the last check
	most      uint64 // most goroutines at once since memory was given back
}

// look gives memory back if there is enough of it.
func (m *memoryReturn) look(now time.Time) {
	m.most = max(m.most, uint64(runtime.NumGoroutine()))
	if now.Before(m.next) {
		return
	}
	first := m.next.IsZero()
	m.next = now.Add(returnEvery)
	use := readMemory()
	if !m.due(use) || first {
		return
	}
	began := time.Now()
	runtime.GC() // pools are emptied in the second collection
	debug.FreeOSMemory()
	m.most = use.goroutines
	m.next = now.Add(min(max(returnEvery, returnShare*time.Since(began)), returnMost))
}

// due reports whether much memory is not needed any more.
func (m *memoryReturn) due(use memoryUse) bool {
	allocated := use.allocated - m.allocated
	m.allocated, m.most = use.allocated, max(m.most, use.goroutines)
	if allocated > (use.free+use.used)/4 { // the memory is needed, and the collector runs anyway
		return false
	}
	// The memory of clients that have gone counts as used until it is collected. The
	// number of goroutines shows that they have gone.
	gone := m.most - use.goroutines
	return use.free > returnFrom || use.used > use.live+use.live/2+returnFrom ||
		use.used > returnFrom && gone > max(16, m.most/8)
}

func readMemory() memoryUse {
	samples := [...]metrics.Sample{
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/stacks:bytes"},
		{Name: "/gc/heap/live:bytes"},
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/sched/goroutines:goroutines"},
	}
	metrics.Read(samples[:])
	at := func(i int) uint64 { return samples[i].Value.Uint64() }
	return memoryUse{free: at(0), used: at(1) + at(2), live: at(3), allocated: at(4), goroutines: at(5)}
}

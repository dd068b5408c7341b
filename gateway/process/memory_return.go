package process

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Memory that was needed for a while goes back to the system seconds after:
// the runtime would keep it for minutes. A gateway that needs what it has pays
// nothing for this.
const (
	returnEvery = 3 * time.Second
	returnMost  = 6 * time.Second // between two times that take long
	returnFrom  = 16 << 20
	returnShare = 100 // of the time between is what it may take
)

// memoryUse is what the runtime says of its memory.
type memoryUse struct {
	free       uint64 // bytes that hold nothing, and that the system does not have
	used       uint64 // bytes of objects and stacks, those included that nobody needs
	live       uint64 // bytes of used that were needed when the collector came last
	allocated  uint64 // bytes since the start
	goroutines uint64
}

// memoryReturn notices what can go back.
type memoryReturn struct {
	next      time.Time
	allocated uint64 // when it looked last
	most      uint64 // goroutines at once, since memory was given back
}

// look gives memory back if it is much.
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
	runtime.GC() // pools give up what they hold in the second collection
	debug.FreeOSMemory()
	m.most = use.goroutines
	m.next = now.Add(min(max(returnEvery, returnShare*time.Since(began)), returnMost))
}

// due reports whether much memory is not needed any more.
func (m *memoryReturn) due(use memoryUse) bool {
	allocated := use.allocated - m.allocated
	m.allocated, m.most = use.allocated, max(m.most, use.goroutines)
	if allocated > (use.free+use.used)/4 { // it is needed, and the collector comes by itself
		return false
	}
	// What clients held is garbage once they have gone, and counts as used until
	// it is collected. Goroutines tell that they have.
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

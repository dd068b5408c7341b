package process

import (
	"log/slog"
	"time"

	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/internal/proc"
)

// A gateway becomes busy at busyFrom events a second, and is busy until there are fewer
// than calmBelow. A request has one to three events.
const (
	busyFrom  = 2000
	calmBelow = 1000
)

// batch makes the kernel schedule the gateway as a batch process while it is busy
// (sched(7)). Then the gateway does not interrupt a worker when it is woken, if all
// CPUs are taken: it runs when a worker waits, or at the end of its time slice, and
// finds more to do at once. Otherwise each request interrupts a worker twice, which
// costs as much as a third of the CPU time of a request that takes 100 µs. While there
// is little to do, latency is all that counts, and other programs on the machine may
// take their time: so the gateway runs at once then.
//
// Workers do the same: workers/python/runner/batch.py. A command does not: it would
// interrupt the gateway, which then could only wait. Its p99 was three times as long.
type batch struct {
	handled func() uint64 // events since the start
	set     func(on bool) error
	log     *slog.Logger

	on     bool
	before uint64
	looked time.Time
}

// newBatch returns nil if it is not wanted, if the kernel has no such policy, or if
// somebody has chosen a policy for this process.
func newBatch(wanted bool, loops []*loop.Loop, log *slog.Logger) *batch {
	if !wanted || !proc.ScheduledNormally() {
		return nil
	}
	handled := func() (n uint64) {
		for _, l := range loops {
			n += l.Handled()
		}
		return n
	}
	return &batch{handled: handled, set: proc.ScheduleBatch, log: log, looked: time.Now()}
}

// look is called several times a second.
func (b *batch) look(now time.Time) {
	if b == nil {
		return
	}
	handled, passed := b.handled(), now.Sub(b.looked).Seconds()
	rate := float64(handled-b.before) / passed
	b.before, b.looked = handled, now
	on := rate >= busyFrom || b.on && rate >= calmBelow
	if passed <= 0 || on == b.on {
		return
	}
	if err := b.set(on); err != nil { // the next look tries again: there may be no descriptor now
		b.log.Debug("cannot change how the gateway is scheduled", "batch", on, "error", err)
		return
	}
	b.on = on
}

package python

import (
	"time"

	"github.com/gonicorn/gonicorn/internal/scoreboard"
)

const (
	// preferOthers is how late a heartbeat may be before other workers are preferred.
	preferOthers = 300 * time.Millisecond
	// hang is how late a dead worker's heartbeat must have been for the worker to count
	// as hung.
	hang = time.Second
	// recheck is how often to check whether a blocked loop runs again, while requests wait.
	recheck = 50 * time.Millisecond
	// ahead is how many requests for each worker may be in the shared pipe beyond those
	// in flight, so that a worker that has finished one finds the next at once. They
	// belong to no worker until one takes them. A worker must have slots for as many
	// short answers: see slots.
	ahead = 28
	// spare is how many of them, for each worker, do not count as waiting.
	spare = 2
)

// capacity returns how many workers share a pipe, and how many requests they serve
// at once.
func (b *Backend) capacity() (places, workers int) {
	for _, m := range b.order {
		if m.own == nil && m.takes() {
			places += max(m.worker.Capacity, 1)
			workers++
		}
	}
	return places, workers
}

// choose finds where the next request goes: to a worker with a pipe of its own, or, if
// best is nil and ok is true, into the shared pipe. A worker on trial is chosen when
// its turn has come. Otherwise it is the worker with the fewest requests whose loop
// runs. Of equals it is the one that was chosen last, since its caches are warm.
func (b *Backend) choose(socket bool) (best *member, ok bool) {
	now, trial := scoreboard.At(b.loop.Now()), b.onTrial()
	bestLate, at, n := false, b.next, len(b.order)
	for i := range n {
		j := (b.next + i) % n
		m := b.order[j]
		if m.own == nil || !m.takes() || m.load >= max(m.worker.Capacity, 1) || m == trial && !m.share.Due() {
			continue
		}
		if socket && b.o.Sockets > 0 && m.sockets >= b.o.Sockets {
			continue
		}
		lag := b.lag(m, now)
		if b.stalled(m, lag) {
			continue
		}
		if m == trial {
			m.share.Take()
			return m, true // b.next stays: the other workers' turn does not change
		}
		late := lag > preferOthers
		if best == nil || bestLate && !late || bestLate == late && m.freer(best, socket) {
			best, bestLate, at = m, late, j
		}
	}
	if best != nil {
		b.next = at
		return best, true
	}
	if b.shared == nil {
		return nil, false
	}
	places, workers := b.capacity()
	return nil, b.shared.load < places+ahead*workers
}

// freer reports whether m should get a request rather than other.
func (m *member) freer(other *member, socket bool) bool {
	if socket && m.sockets != other.sockets {
		return m.sockets < other.sockets
	}
	return m.load < other.load
}

// onTrial returns the worker on trial, or nil. A worker that is alone gets all requests
// and does not count as on trial.
func (b *Backend) onTrial() (trial *member) {
	alone := true
	for _, m := range b.order {
		switch {
		case !m.takes():
		case m.worker.Share > 0:
			trial = m
		default:
			alone = false
		}
	}
	if alone {
		return nil
	}
	return trial
}

// count counts a request for the share of a worker on trial.
func (b *Backend) count() {
	if m := b.onTrial(); m != nil {
		m.share.Count(m.worker.Share)
	}
}

// full reports whether the queue is full.
func (b *Backend) full() bool {
	waiting := b.waiting.Len()
	if b.shared != nil {
		places, workers := b.capacity()
		waiting += max(0, b.shared.load-places-spare*workers)
	}
	return waiting >= b.o.QueueSize
}

// crowded reports whether all workers have as many WebSockets as they may have.
func (b *Backend) crowded() bool {
	if b.o.Sockets <= 0 {
		return false
	}
	some := false
	for _, m := range b.order {
		if m.own != nil && m.takes() {
			if m.sockets < b.o.Sockets {
				return false
			}
			some = true
		}
	}
	return some
}

// lag returns how old the heartbeat of a worker's loop is.
func (b *Backend) lag(m *member, now int64) time.Duration {
	if b.o.Shared || b.env.Board == nil || m.worker.Slot < 0 || m.worker.Slot >= scoreboard.Slots {
		return 0
	}
	if pid := b.env.Board.Owner(m.worker.Slot); pid != 0 && pid != m.pid {
		return 0 // the slot belongs to another worker by now
	}
	slot := b.env.Board.Slot(m.worker.Slot)
	if slot.Beats.Load() == 0 {
		return 0
	}
	return time.Duration(now - max(0, min(slot.Heartbeat.Load(), now))) // the worker may have written anything
}

// stalled reports whether a worker's loop is blocked. It logs each stall once.
func (b *Backend) stalled(m *member, lag time.Duration) bool {
	if b.o.StallAfter <= 0 {
		return false
	}
	if lag < b.o.StallAfter {
		m.warned = false
		return false
	}
	if !m.warned {
		m.warned = true
		b.env.Log.Warn("event loop is blocked; the worker gets no more requests until it runs again",
			"worker", m.worker.ID, "pid", m.pid, "for", lag.Round(time.Millisecond).String(), "in_flight", m.load)
	}
	return true
}

// look logs stalls even if no request needs a worker.
func (b *Backend) look() {
	now := scoreboard.Now()
	for _, m := range b.order {
		if m.known && m.link != nil && m.ready {
			b.stalled(m, b.lag(m, now))
		}
	}
}

// lookLater schedules another admit, since nothing signals that a loop runs again.
func (b *Backend) lookLater() {
	if b.recheck == nil && b.o.StallAfter > 0 {
		b.recheck = b.loop.After(recheck, func() {
			b.recheck = nil
			b.admit()
		})
	}
}

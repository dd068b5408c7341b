// Package dispatch decides which worker takes a request and who waits: least
// loaded first, first come first served, in a queue with bounds.
package dispatch

import (
	"sync"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/internal/fifo"
)

// Pool counts what every worker has in flight. It is safe for concurrent use.
type Pool struct {
	// OnIdle, if set before the first Update, is told once of every draining
	// worker that has nothing in flight any more: it may be stopped. It is called
	// without locks, from whichever goroutine released the last request.
	OnIdle func(slot, pid int)

	size    int
	timeout time.Duration
	waiters sync.Pool

	mu      sync.Mutex
	slots   map[int]*slot
	order   []*slot
	trial   *slot       // gets its share and no more; nil without one beside others
	next    int         // where the search begins, so that equals take turns
	orphans map[int]int // by slot: what vanished workers held and has not been released
	queue   fifo.List[*waiter]
	closed  bool // nobody gets a place any more
	counts  Counts
}

// slot is one worker.
type slot struct {
	worker   gateway.Worker
	inFlight int
	hung     int // of those, how many are not expected to end
	sockets  int // WebSockets, which do not count as held
	stalled  bool
	share    Share       // while it is on trial
	avoided  *time.Timer // set while the slot gets nothing for a moment
	told     bool        // OnIdle was called
}

func (s *slot) open() bool {
	return s.inFlight < s.worker.Capacity && !s.worker.Draining && !s.stalled && s.avoided == nil
}

// New makes a pool without workers. At most size requests wait, none of them
// longer than timeout; with a size of 0 nobody waits, with a timeout of 0 they
// wait without an end.
func New(size int, timeout time.Duration) *Pool {
	return &Pool{size: size, timeout: timeout, slots: map[int]*slot{}, orphans: map[int]int{}}
}

// Update replaces the set of workers, by Slot. What a worker that is missing
// held is forgotten, and a slot with another PID is a new worker that holds
// nothing. New capacity goes to those who wait, the oldest first.
func (p *Pool) Update(workers []gateway.Worker) {
	p.mu.Lock()
	old := p.slots
	p.slots, p.order = make(map[int]*slot, len(workers)), make([]*slot, 0, len(workers))
	var idle []gateway.Worker
	for _, w := range workers {
		if p.slots[w.Slot] != nil {
			continue
		}
		s := old[w.Slot]
		if s == nil || s.worker.PID != w.PID {
			s = &slot{}
		} else {
			delete(old, w.Slot)
		}
		s.worker = w
		p.slots[w.Slot] = s
		p.order = append(p.order, s)
		if p.retired(s) {
			idle = append(idle, s.worker)
		}
	}
	p.trial = p.onTrial()
	for i, s := range old {
		s.clear()
		if s.inFlight > 0 {
			p.orphans[i] += s.inFlight
		}
	}
	p.admit()
	p.mu.Unlock()
	for _, w := range idle {
		p.tell(w)
	}
}

// Close ends waiting: who waits, and who comes, gets gateway.ErrNoCapacity.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for w := p.queue.First(); w != nil; w = p.queue.First() {
		p.queue.Remove(w)
		w.Of.call(noPlace)
	}
}

// Release gives back what Acquire gave. It does no harm when the worker has
// vanished meanwhile.
func (p *Pool) Release(at int) {
	p.mu.Lock()
	if n := p.orphans[at]; n > 0 {
		// It may be the new worker's, whose count is then too high until the
		// old one's requests have ended: never too low.
		if n--; n == 0 {
			delete(p.orphans, at)
		} else {
			p.orphans[at] = n
		}
		p.mu.Unlock()
		return
	}
	s := p.slots[at]
	if s == nil || s.inFlight == 0 {
		p.mu.Unlock()
		return
	}
	s.inFlight--
	s.hung = min(s.hung, s.inFlight)
	if p.queue.First() != nil && s.open() && p.may(s) {
		p.give(s)
	}
	idle, w := p.retired(s), s.worker
	p.mu.Unlock()
	if idle {
		p.tell(w)
	}
}

// Hang says that a request which the worker in a slot holds is not expected to
// end: a draining worker that holds no others counts as idle.
func (p *Pool) Hang(at int) {
	p.mu.Lock()
	s := p.slots[at]
	if s == nil || s.hung >= s.inFlight {
		p.mu.Unlock()
		return
	}
	s.hung++
	idle, w := p.retired(s), s.worker
	p.mu.Unlock()
	if idle {
		p.tell(w)
	}
}

// Stall says whether the worker in a slot is stalled: it gets nothing then.
func (p *Pool) Stall(at int, stalled bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.slots[at]; s != nil && s.stalled != stalled {
		s.stalled = stalled
		p.admit()
	}
}

// Avoid gives the worker in a slot nothing for d, as when it refuses
// connections; a new worker in the slot is not affected.
func (p *Pool) Avoid(at int, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.slots[at]
	if s == nil || s.avoided != nil {
		return
	}
	s.avoided = time.AfterFunc(d, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		s.avoided = nil
		p.admit()
	})
}

// Upgrade gives back what Acquire gave: the request has become a WebSocket,
// which keeps a draining worker from being idle until it is released, and takes
// no request's place.
func (p *Pool) Upgrade(at int) (release func()) {
	p.mu.Lock()
	s := p.slots[at]
	if s != nil {
		s.sockets++
	}
	p.mu.Unlock()
	p.Release(at)
	return func() {
		if s == nil {
			return
		}
		p.mu.Lock()
		s.sockets--
		idle, w := p.slots[at] == s && p.retired(s), s.worker
		p.mu.Unlock()
		if idle {
			p.tell(w)
		}
	}
}

// SocketRoom reports whether a worker that is not draining has fewer than most
// WebSockets, or there is no worker at all.
func (p *Pool) SocketRoom(most int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	some := false
	for _, s := range p.order {
		if !s.worker.Draining {
			if s.sockets < most {
				return true
			}
			some = true
		}
	}
	return !some
}

// clear ends a moment of avoidance of a worker that has vanished.
func (s *slot) clear() {
	if s.avoided != nil {
		s.avoided.Stop()
	}
}

// InFlight is how many requests the worker in a slot has in flight.
func (p *Pool) InFlight(at int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.slots[at]; s != nil {
		return s.inFlight
	}
	return 0
}

// retired reports, once, that a draining worker has become idle: nothing it
// holds is expected to end.
func (p *Pool) retired(s *slot) bool {
	if !s.worker.Draining {
		s.told = false
		return false
	}
	if s.inFlight > s.hung || s.sockets > 0 || s.told {
		return false
	}
	s.told = true
	return true
}

func (p *Pool) tell(w gateway.Worker) {
	if p.OnIdle != nil {
		p.OnIdle(w.Slot, w.PID)
	}
}

package proxy

import (
	"sync"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// ledger writes the scoreboard slot of a command, which does not do so itself: what
// is in flight, and since when the oldest request waits for its answer to begin. A
// request whose answer has begun, or a tunnel, never looks hung.
type ledger struct {
	slot    *scoreboard.Slot    // nil without a scoreboard
	account *scoreboard.Account // likewise

	mu          sync.Mutex
	closed      bool // the slot is somebody else's
	first, last *entry
	count       int64
	answers     uint64 // that have begun
	hung        int    // requests that keepHung keeps
	busySince   int64
}

// entry is one request that a worker has.
type entry struct {
	r          *gateway.Request
	id         uint64
	start      int64
	prev, next *entry
	listed     bool // its answer is waited for
	answered   bool
}

// open starts the ledger of a worker that has nothing in flight.
func (l *ledger) open(slot *scoreboard.Slot, account *scoreboard.Account) {
	if l.slot, l.account = slot, account; slot == nil {
		return
	}
	l.holds(0)
	slot.RequestStart.Store(0)
	slot.RequestID.Store(0)
	slot.Connections.Store(0)
	slot.Beats.Store(0)
	l.state(scoreboard.Busy, scoreboard.Ready)
}

// inFlight lists the requests whose answer is waited for.
func (l *ledger) inFlight(now int64) (all []wire.InFlight) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for e := l.first; e != nil; e = e.next {
		if e.r == nil {
			continue // nobody waits for it any more: see keepHung
		}
		all = append(all, wire.InFlight{Number: e.id, ID: e.r.ID, Method: e.r.Method, Path: e.r.Path, Age: time.Duration(now - e.start)})
	}
	return all
}

// holds shows how many requests the worker has.
func (l *ledger) holds(n int64) {
	l.slot.InFlight.Store(n)
	l.account.InFlight.Store(n)
}

// state changes the state in the slot, except states that the arbiter sets.
func (l *ledger) state(from, to scoreboard.State) {
	l.slot.State.CompareAndSwap(uint64(from), uint64(to))
}

// begin adds a request. Its answer counts as awaited at once, or from await on.
func (l *ledger) begin(e *entry, r *gateway.Request, now int64, await bool) {
	if l.slot == nil {
		return
	}
	id := r.Number
	l.mu.Lock()
	defer l.mu.Unlock()
	*e = entry{r: r, id: id, start: now}
	if l.count++; l.count == 1 {
		l.busySince = now
	}
	if await {
		l.push(e)
	}
	if l.closed {
		return
	}
	l.holds(l.count)
	if l.count == 1 {
		l.state(scoreboard.Ready, scoreboard.Busy)
	}
}

// await says that all of a request has been sent.
func (l *ledger) await(e *entry, now int64) {
	if l.slot == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !e.answered && !e.listed {
		e.start = now
		l.push(e)
	}
}

// answer says that the answer to a request has begun.
func (l *ledger) answer(e *entry) {
	if l.slot == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers++
	l.settle(e)
}

func (l *ledger) settle(e *entry) {
	e.answered = true
	if e.listed {
		l.remove(e)
	}
}

// end removes a request, and counts it if it was answered.
func (l *ledger) end(e *entry, now int64, answered bool) {
	if l.slot == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle(e)
	l.count--
	if l.closed {
		return
	}
	l.holds(l.count)
	if l.count == 0 {
		l.slot.BusyNanos.Add(now - l.busySince)
		l.state(scoreboard.Busy, scoreboard.Ready)
	}
	if answered {
		l.slot.Requests.Add(1)
	}
}

// keepHung keeps a request that nobody waits for any more: the worker may still work
// on it.
func (l *ledger) keepHung(e *entry) {
	if l.slot == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hung++
	kept := &entry{id: e.id, start: e.start, listed: true}
	l.settle(e)
	if kept.next = l.first; kept.next == nil {
		l.last = kept
	} else {
		l.first.prev = kept
	}
	l.first = kept
	l.show()
}

// detach separates an entry from its request, whose memory is used again.
func (l *ledger) detach(e *entry) {
	if l.slot == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r := e.r
	e.r = &gateway.Request{ID: r.ID, Method: r.Method, Path: r.Path}
}

// signs returns how many answers have begun, when the oldest request came whose
// answer is waited for, 0 if there is none, and whether keepHung keeps any.
func (l *ledger) signs() (answers uint64, oldest int64, held bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first != nil {
		oldest = l.first.start
	}
	return l.answers, oldest, l.hung > 0
}

// silent shows since when the process has done nothing; alive clears that.
func (l *ledger) silent(since int64) { l.beats(since, 1) }
func (l *ledger) alive()             { l.beats(0, 0) }

func (l *ledger) beats(last int64, kept uint64) {
	if l.slot == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.slot.Heartbeat.Store(last)
		l.slot.Beats.Store(kept)
	}
}

// connections says how many connections are open.
func (l *ledger) connections(n int) {
	if l.slot == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.slot.Connections.Store(int64(n))
	}
}

// close ends the ledger: the process has been reaped.
func (l *ledger) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
}

func (l *ledger) push(e *entry) {
	e.listed, e.prev, e.next = true, l.last, nil
	if l.last == nil {
		l.first = e
		l.show()
	} else {
		l.last.next = e
	}
	l.last = e
}

func (l *ledger) remove(e *entry) {
	if e.next == nil {
		l.last = e.prev
	} else {
		e.next.prev = e.prev
	}
	if e.prev == nil {
		l.first = e.next
		l.show()
	} else {
		e.prev.next = e.next
	}
	e.listed, e.prev, e.next = false, nil, nil
}

// show keeps the start no older than the number: a reader between the two
// stores must not take a new request for an old one.
func (l *ledger) show() {
	switch {
	case l.closed:
	case l.first == nil:
		l.slot.RequestStart.Store(0)
		l.slot.RequestID.Store(0)
	default:
		l.slot.RequestStart.Store(l.first.start)
		l.slot.RequestID.Store(l.first.id)
	}
}

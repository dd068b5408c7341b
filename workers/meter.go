package workers

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/gonicorn/gonicorn/internal/scoreboard"
)

// Meter counts what a class has in flight, and shows it on the worker's slot of
// the scoreboard. Its methods may be called from any goroutine.
type Meter struct {
	slot  *scoreboard.Slot
	ready chan struct{}
	spent chan struct{}

	mu             sync.Mutex
	oldest, newest *Request // of those in flight, in the order in which they began
	inFlight       int64
	connections    int64
	last           uint64 // the number of the request that began last
	busySince      int64
	isReady        bool
	isSpent        bool
	draining       bool
}

// Request is one request in flight, from Meter.Begin to End.
type Request struct {
	ID           uint64 // the number of the request in this worker, from 1
	verb, target string
	start        int64 // scoreboard.Now
	meter        *Meter
	older, newer *Request
	ended        bool
	label        string      // of the goroutine that serves it; "" if not known
	answered     atomic.Bool // its answer has begun
	failed       bool        // the answer was a 5xx, or broke off
}

// InFlight is a request in flight, as a log shows it.
type InFlight struct {
	ID           uint64
	Verb, Target string // as the client sent them: not to be trusted
	Age          time.Duration
	Label        string // of the goroutine that serves it, under GoroutineLabel; "" if not known
}

// GoroutineLabel is the key of the label (runtime/pprof) that marks the goroutine
// that serves a request.
const GoroutineLabel = "gonicorn_connection"

// NewMeter returns a meter that writes to this slot. Besides the meter, only the
// arbiter may write there. A nil slot is for tests of a class.
func NewMeter(slot *scoreboard.Slot) *Meter {
	if slot == nil {
		slot = new(scoreboard.Slot)
	}
	return &Meter{slot: slot, ready: make(chan struct{}), spent: make(chan struct{})}
}

// Ready reports that the worker accepts connections. Further calls do nothing.
func (m *Meter) Ready() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.isReady {
		return
	}
	m.isReady = true
	m.show()
	close(m.ready)
}

// IsReady returns a channel that is closed once Ready was called.
func (m *Meter) IsReady() <-chan struct{} { return m.ready }

// Draining reports that the worker takes nothing new.
func (m *Meter) Draining() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.draining = true
	m.show()
}

// Spent returns a channel that is closed once the worker has finished as many
// requests as one worker may (max_requests). The worker goes on serving until it
// is told to finish.
func (m *Meter) Spent() <-chan struct{} { return m.spent }

// Opened counts a client connection that was accepted.
func (m *Meter) Opened() { m.count(1) }

// Closed counts a client connection that was closed.
func (m *Meter) Closed() { m.count(-1) }

func (m *Meter) count(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.connections += n
	m.slot.Connections.Store(m.connections)
}

// Begin registers a request: a verb such as "GET" and a target such as
// "/index.html", which the log shows if the worker hangs. The caller must call
// End on it.
func (m *Meter) Begin(verb, target string) *Request {
	r := &Request{verb: verb, target: target, start: scoreboard.Now(), meter: m}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last++
	r.ID = m.last
	r.older = m.newest
	if m.newest != nil {
		m.newest.newer = r
	} else {
		m.oldest = r
		m.busySince = r.start
		m.showOldest()
	}
	m.newest = r
	m.inFlight++
	m.slot.InFlight.Store(m.inFlight)
	if m.inFlight == 1 {
		m.show()
	}
	return r
}

// End reports that the request is finished. Further calls do nothing.
func (r *Request) End() {
	m := r.meter
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.ended {
		return
	}
	r.ended = true
	m.unlink(r)
	if m.OnTrial() {
		m.showPending() // a request that has ended must not seem to hang
	}
	m.inFlight--
	m.slot.InFlight.Store(m.inFlight)
	if m.inFlight == 0 {
		m.slot.BusyNanos.Add(scoreboard.Now() - m.busySince)
		m.show()
	}
	own := &m.slot.Own
	own.Answers.Add(1)
	if r.failed {
		own.Errors.Add(1)
	}
	own.App.Observe(time.Duration(scoreboard.Now() - r.start))
	done := m.slot.Requests.Add(1)
	if most := m.slot.MaxRequests.Load(); most > 0 && done >= most && !m.isSpent {
		m.isSpent = true
		close(m.spent)
	}
}

// Answered reports that the answer begins, with this status. The goroutine that
// serves the request calls it, before End.
func (r *Request) Answered(status int) {
	r.answered.Store(true)
	r.failed = r.failed || status >= 500
	if m := r.meter; m.OnTrial() {
		m.ShowPending()
	}
}

// OnTrial reports whether the worker is a canary, which is compared with the
// others.
func (m *Meter) OnTrial() bool { return m.slot.Share.Load() > 0 }

// ShowPending shows on the slot since when requests wait for their answer to
// begin.
func (m *Meter) ShowPending() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.showPending()
}

func (m *Meter) showPending() {
	var since []int64
	for r := m.oldest; r != nil && len(since) < scoreboard.PendingMost; r = r.newer {
		if !r.answered.Load() {
			since = append(since, r.start)
		}
	}
	m.slot.Own.SetPending(since)
}

func (m *Meter) unlink(r *Request) {
	if r.newer != nil {
		r.newer.older = r.older
	} else {
		m.newest = r.older
	}
	if r.older != nil {
		r.older.newer = r.newer
	} else {
		m.oldest = r.newer
		m.showOldest()
	}
	r.older, r.newer = nil, nil
}

// showOldest orders its stores so that the start shown is never older than the
// number shown: a reader between the two must not take a new request for an old one.
func (m *Meter) showOldest() {
	if m.oldest == nil {
		m.slot.RequestStart.Store(0)
		m.slot.RequestID.Store(0)
		return
	}
	m.slot.RequestStart.Store(m.oldest.start)
	m.slot.RequestID.Store(m.oldest.ID)
}

func (m *Meter) show() {
	state := scoreboard.Booting
	switch {
	case m.draining:
		state = scoreboard.Draining
	case m.isReady && m.inFlight > 0:
		state = scoreboard.Busy
	case m.isReady:
		state = scoreboard.Ready
	}
	m.slot.State.Store(uint64(state))
}

// Requests returns how many requests the worker has begun.
func (m *Meter) Requests() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last
}

// InFlight returns the oldest requests in flight, at most n, and how many are in
// flight in all.
func (m *Meter) InFlight(n int) (held []InFlight, all int64) {
	now := scoreboard.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	for r := m.oldest; r != nil && len(held) < n; r = r.newer {
		held = append(held, InFlight{ID: r.ID, Verb: r.verb, Target: r.target, Age: time.Duration(now - r.start)})
	}
	return held, m.inFlight
}

// Late returns requests without an answer for longer than after, the oldest
// first: at most n of those with an ID greater than above, and how many of those
// there are.
func (m *Meter) Late(after time.Duration, above uint64, n int) (late []InFlight, all int) {
	now := scoreboard.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	for r := m.oldest; r != nil; r = r.newer {
		age := time.Duration(now - r.start)
		if age < after {
			break
		}
		if r.ID <= above || r.answered.Load() {
			continue
		}
		if all++; all <= n {
			late = append(late, InFlight{ID: r.ID, Verb: r.verb, Target: r.target, Age: age, Label: r.label})
		}
	}
	return late, all
}

// Connections returns how many client connections are open.
func (m *Meter) Connections() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.connections
}

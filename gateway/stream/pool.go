package stream

import (
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/admission"
	"github.com/gonicorn/gonicorn/gateway/channel"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
)

// member is a worker as far as it is known: from Update, from Attach, or both.
type member struct {
	worker gateway.Worker
	known  bool // Update has it
	link   *channel.Link
	app    string // its app's interface, "" until it has said hello
	away   bool   // it wants no more requests
	load   int    // requests in flight, without WebSockets that were accepted
	socket int    // WebSockets, with requests for one
	coming int    // of those, how many have not been put into the link yet
	warned bool   // its stall has been logged

	share admission.Share // while it is on trial
}

// again is how often requests that wait look for a worker whose loop runs again.
const again = 50 * time.Millisecond

// hesitant is how late a heartbeat may be before other workers are preferred.
const hesitant = 300 * time.Millisecond

// hang is how late the heartbeat of a worker is that did not die by itself.
const hang = time.Second

// pool chooses the worker of each request: the one with the fewest in flight
// whose loop runs. Those that find none wait in the order in which they came.
type pool struct {
	env        *channel.Env
	stallAfter time.Duration
	size       int           // how many may wait
	timeout    time.Duration // for how long
	sockets    int           // WebSockets at one worker besides its requests; 0: they are requests

	mu      sync.Mutex
	members map[int]*member // by slot
	waiting list.List       // of waiter
	closed  bool            // nobody gets a place any more
	timer   *time.Timer
}

// waiter is a request that waits for a place.
type waiter struct {
	turn   chan *member // has room for one; nil says that there will be none
	since  time.Time
	socket bool // the request is for a WebSocket
}

// queued says how many requests wait, and how long the first of them has.
func (p *pool) queued() (n int, oldest time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if first := p.waiting.Front(); first != nil {
		oldest = time.Since(first.Value.(waiter).since)
	}
	return p.waiting.Len(), oldest
}

// enter takes a place at a worker, waiting for one if need be. A request for a
// WebSocket does not wait where all workers have as many as they may: others
// would wait behind it for as long as those last.
func (p *pool) enter(ctx context.Context, socket bool) (*member, error) {
	p.mu.Lock()
	p.count()
	if p.waiting.Len() == 0 && !p.closed {
		if m := p.choose(socket); m != nil {
			p.mu.Unlock()
			return m, nil
		}
	}
	if p.waiting.Len() >= p.size || p.closed || socket && p.crowded() {
		p.mu.Unlock()
		return nil, gateway.ErrNoCapacity
	}
	turn := make(chan *member, 1)
	at := p.waiting.PushBack(waiter{turn, time.Now(), socket})
	p.lookLater()
	p.mu.Unlock()
	var late <-chan time.Time
	if p.timeout > 0 {
		timer := time.NewTimer(p.timeout)
		defer timer.Stop()
		late = timer.C
	}
	err := gateway.ErrNoCapacity
	select {
	case m := <-turn:
		if m == nil {
			return nil, gateway.ErrNoCapacity
		}
		return m, nil
	case <-late:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case m := <-turn: // it came at the same moment; the next one gets it
		if m != nil {
			p.put(m)
			p.free(&place{m: m, socket: socket})
			p.admit()
		}
	default:
		p.waiting.Remove(at)
	}
	return nil, err
}

// close ends waiting: who waits, and who comes, gets gateway.ErrNoCapacity.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for p.waiting.Len() > 0 {
		p.waiting.Remove(p.waiting.Front()).(waiter).turn <- nil
	}
}

// place is what a request has at a worker.
type place struct {
	m        *member
	socket   bool // the request is for a WebSocket
	upgraded bool // and has become one; guarded by pool.mu
}

// leave gives a place back.
func (p *pool) leave(at *place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free(at)
	p.admit()
}

func (p *pool) free(at *place) {
	if !at.upgraded {
		at.m.load--
	}
	if at.socket {
		at.m.socket--
	}
}

// upgraded gives back the place of a request that has become a WebSocket, if
// those have places of their own.
func (p *pool) upgraded(at *place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sockets > 0 && !at.upgraded {
		at.upgraded = true
		at.m.load--
		p.admit()
	}
}

// crowded reports whether no worker takes another WebSocket because all have
// as many as they may.
func (p *pool) crowded() bool {
	if p.sockets <= 0 {
		return false
	}
	any := false
	for _, m := range p.members {
		if m.known && m.link != nil && !m.away && !m.worker.Draining {
			if m.socket < p.sockets {
				return false
			}
			any = true
		}
	}
	return any
}

// reach returns how to reach a worker; nil if it has hung up.
func (p *pool) reach(m *member) (*channel.Link, string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return m.link, m.app
}

// posted says that the request which took a place is in the link, or will
// never be. It reports whether the link l is still the worker's.
func (p *pool) posted(m *member, l *channel.Link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.put(m)
	return l != nil && m.link == l
}

// put lets a worker that goes away know when the last request is in its link.
func (p *pool) put(m *member) {
	m.coming--
	if m.away && m.coming == 0 && m.link != nil {
		m.link.Drained()
	}
}

// takes reports whether a worker takes requests.
func (m *member) takes() bool {
	return m.known && m.link != nil && m.app != "" && !m.away && !m.worker.Draining
}

// onTrial finds the worker on trial, nil without one. One that is alone gets all
// requests.
func (p *pool) onTrial() (trial *member) {
	alone := true
	for _, m := range p.members {
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

// count takes note of a request, of which a worker on trial may get a share.
func (p *pool) count() {
	if m := p.onTrial(); m != nil {
		m.share.Count(m.worker.Share)
	}
}

// choose takes a place at the worker on trial when it is its turn, else at the
// best worker; nil if there is none.
func (p *pool) choose(socket bool) *member {
	var best *member
	var bestLate bool
	now, trial := scoreboard.Now(), p.onTrial()
	for _, m := range p.members {
		if !m.takes() || m.load >= max(m.worker.Capacity, 1) || m == trial && !m.share.Due() {
			continue
		}
		if socket && p.sockets > 0 && m.socket >= p.sockets {
			continue
		}
		lag := p.lag(m, now)
		if p.stalled(m, lag) {
			continue
		}
		if m == trial {
			m.share.Take()
			best = m
			break
		}
		late := lag > hesitant
		if best == nil || bestLate && !late || bestLate == late && m.freer(best, socket) {
			best, bestLate = m, late
		}
	}
	if best != nil {
		best.load++
		best.coming++
		if socket {
			best.socket++
		}
	}
	return best
}

// freer reports whether m should rather have a request than other.
func (m *member) freer(other *member, socket bool) bool {
	if socket && m.socket != other.socket {
		return m.socket < other.socket
	}
	return m.load < other.load
}

// admit gives places to those who wait.
func (p *pool) admit() {
	for p.waiting.Len() > 0 {
		socket := p.waiting.Front().Value.(waiter).socket
		m := p.choose(socket)
		if m == nil && !(socket && p.crowded()) {
			p.lookLater()
			return
		}
		p.waiting.Remove(p.waiting.Front()).(waiter).turn <- m
	}
}

// lookLater has admit called again: nobody tells when a loop runs again.
func (p *pool) lookLater() {
	if p.timer == nil {
		p.timer = time.AfterFunc(again, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.admit()
		})
		return
	}
	p.timer.Reset(again)
}

// lag is how old the heartbeat of a worker's loop is.
func (p *pool) lag(m *member, now int64) time.Duration {
	if p.env.Board == nil || m.worker.Slot < 0 || m.worker.Slot >= scoreboard.Slots {
		return 0
	}
	if pid := p.env.Board.Owner(m.worker.Slot); pid != 0 && m.link != nil && pid != m.link.PID {
		return 0 // the slot is another's by now
	}
	slot := p.env.Board.Slot(m.worker.Slot)
	if slot.Beats.Load() == 0 {
		return 0
	}
	return time.Duration(now - max(0, min(slot.Heartbeat.Load(), now))) // the worker may have written anything
}

// look notices stalls while no request asks for a worker.
func (p *pool) look() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := scoreboard.Now()
	for _, m := range p.members {
		if m.known && m.link != nil && m.app != "" {
			p.stalled(m, p.lag(m, now))
		}
	}
}

// stalled reports whether a worker's loop is held up, and logs it once a stall.
func (p *pool) stalled(m *member, lag time.Duration) bool {
	if p.stallAfter <= 0 {
		return false
	}
	if lag < p.stallAfter {
		m.warned = false
		return false
	}
	if !m.warned {
		m.warned = true
		p.env.Log.Warn("event loop is held up; it gets no further request meanwhile",
			"worker", m.worker.ID, "pid", m.link.PID, "for", lag.Round(time.Millisecond).String(), "in_flight", m.load)
	}
	return true
}

package queue

import (
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/channel"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// A worker that dies may have taken a request without having claimed it yet.
// Nobody says so: it is what was sent, has been taken, for later messages have
// been or the queue is empty, and is claimed by nobody for longer than a
// living worker needs to claim it.
const (
	lookAgain = 100 * time.Millisecond
	certain   = 10 // looks in a row
)

// doubt is what is being looked at since a worker died.
type doubt struct {
	until uint64         // messages sent up to here may have been taken by a dead worker
	seen  map[uint64]int // by number: how many looks in a row nobody had it
	timer *time.Timer
}

func (d *doubt) stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
}

// owner makes Backend a channel.Owner without showing the methods.
type owner struct{ *Backend }

// Hello implements channel.Owner.
func (o owner) Hello(l *channel.Link, h channel.Hello) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.app = h.Interface
	if m := o.members[l.Slot]; m != nil && m.link == l {
		m.ready = true
	}
	o.resize()
}

// GoAway implements channel.Owner: the worker takes no more by itself.
func (o owner) GoAway(l *channel.Link) {
	o.mu.Lock()
	if m := o.members[l.Slot]; m != nil && m.link == l {
		m.ready = false
	}
	o.resize()
	o.mu.Unlock()
	l.Drained()
}

// Closed implements channel.Owner: what the worker had fails.
func (o owner) Closed(l *channel.Link, _ error) {
	claims := claimsOf(o.env.Board, l)
	l.Hangup()
	o.mu.Lock()
	if m := o.members[l.Slot]; m != nil && m.link == l {
		m.link, m.ready = nil, false
		if !m.known {
			delete(o.members, l.Slot)
		}
	}
	o.resize()
	o.doubt.until = o.order
	o.mu.Unlock()
	mine := map[uint64]bool{}
	for _, number := range claims {
		mine[number] = true
	}
	for _, x := range o.registry.Open() {
		if at := x.Link(); at == l || at == nil && mine[x.Number] {
			o.registry.Fail(x, died(l))
		}
	}
	o.look()
}

func died(l *channel.Link) error {
	return &gateway.WorkerError{Slot: l.Slot, PID: l.PID, Died: true, Err: channel.ErrDied}
}

// claimsOf are the numbers that a worker has claimed on the scoreboard.
func claimsOf(board *scoreboard.Board, l *channel.Link) []uint64 {
	if board == nil || l.Slot < 0 || l.Slot >= scoreboard.Slots {
		return nil
	}
	if pid := board.Owner(l.Slot); pid != 0 && pid != l.PID {
		return nil // the slot is another's by now
	}
	slot := board.Slot(l.Slot)
	var numbers []uint64
	for i := range slot.Claim {
		if n := slot.Claim[i].ID.Load(); n != 0 {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

// claims says who has claimed what.
func (b *Backend) claims() map[uint64]*channel.Link {
	b.mu.Lock()
	links := b.links()
	b.mu.Unlock()
	by := map[uint64]*channel.Link{}
	for _, l := range links {
		for _, number := range claimsOf(b.env.Board, l) {
			by[number] = l
		}
	}
	return by
}

// look fails the requests that a dead worker must have taken, and looks again
// as long as there may be such.
func (b *Backend) look() {
	b.mu.Lock()
	queue, until, taken := b.queue, b.doubt.until, b.taken
	b.mu.Unlock()
	if queue == nil {
		return
	}
	unsent, err := queue.Unsent()
	empty := err == nil && unsent == 0
	claimed := b.claims()
	open := b.registry.Open()
	for _, x := range open {
		if x.Link() != nil || claimed[x.Number] != nil {
			taken = max(taken, x.Order.Load())
		}
	}
	seen, rest := map[uint64]int{}, false
	if !empty {
		b.kick(queue)
	}
	for _, x := range open {
		order := x.Order.Load()
		if order == 0 || order > until || x.Link() != nil || claimed[x.Number] != nil {
			continue
		}
		rest = true
		if order > taken && !empty {
			continue // it may still be in the queue
		}
		b.mu.Lock()
		seen[x.Number] = b.doubt.seen[x.Number] + 1
		b.mu.Unlock()
		if seen[x.Number] >= certain {
			b.registry.Fail(x, &gateway.WorkerError{Died: true, Err: channel.ErrDied})
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.doubt.seen = seen
	b.doubt.stop()
	if rest && b.queue != nil {
		b.doubt.timer = time.AfterFunc(lookAgain, b.look)
	}
}

// kick sends a message that is no request. The kernel wakes one worker for a
// message: when that one died before it took it, this wakes another.
func (b *Backend) kick(queue *channel.Conn) {
	var m wire.Marshal
	m.Tuple(5)
	m.Int(0)
	m.String("")
	m.Int(0)
	m.None()
	m.None()
	_ = queue.TrySend(m.Bytes()) // a full queue has woken everybody
}

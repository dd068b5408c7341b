package queue

import (
	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/channel"
	"github.com/gonicorn/gonicorn/internal/wire"
)

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

// Closed implements channel.Owner. All that the worker has sent has been handed
// to its exchanges, so what it has not answered by now fails.
func (o owner) Closed(l *channel.Link, _ error) {
	claims := claimsOf(o.env.Board, l)
	l.Hangup()
	o.mu.Lock()
	delete(o.links, l)
	if m := o.members[l.Slot]; m != nil && m.link == l {
		m.link, m.ready = nil, false
		if !m.known {
			delete(o.members, l.Slot)
		}
	}
	o.resize()
	o.doubt.until = o.order
	queue := o.queue
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
	if queue != nil {
		o.kick(queue)
	}
	o.look()
}

func died(l *channel.Link) error {
	return &gateway.WorkerError{Slot: l.Slot, PID: l.PID, Died: true, Err: channel.ErrDied}
}

// kick sends a message that is no request where others wait. The kernel wakes
// one worker for a message: when that one died before it took it, this wakes
// another.
func (b *Backend) kick(queue *channel.Conn) {
	if unsent, err := queue.Unsent(); err == nil && unsent == 0 {
		return
	}
	var m wire.Marshal
	m.Tuple(5)
	m.Int(0)
	m.String("")
	m.Int(0)
	m.None()
	m.None()
	_ = queue.TrySend(m.Bytes()) // a full queue has woken everybody
}

package python

import (
	"errors"
	"fmt"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/channel"
	"github.com/gonicorn/gonicorn/gateway/shm"
	"github.com/gonicorn/gonicorn/internal/wire"
	"golang.org/x/sys/unix"
)

// answerHead is how much of an answer is copied at first: a small one is whole
// then.
const answerHead = 512

var errToken = errors.New("token that cannot be")

// answered handles the tokens that a worker has written.
func (b *Backend) answered(m *member) {
	for m.done >= 0 {
		n, err := unix.Read(m.done, b.tokens)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n <= 0 {
			return
		}
		if n%shm.TokenSize != 0 {
			b.nonsense(m, errToken)
			return
		}
		for p := b.tokens[:n]; len(p) > 0; p = p[shm.TokenSize:] {
			if err := b.answer(m, shm.ReadToken(p)); err != nil {
				b.nonsense(m, err)
				return
			}
		}
		if n < len(b.tokens) {
			return // it is empty; more of them is an event of its own
		}
	}
}

// answer handles the token of one answer. Answers of requests that nobody knows
// any more are dropped.
func (b *Backend) answer(m *member, t shm.Token) error {
	if t.Request() >= len(b.calls) {
		return errToken
	}
	c := b.calls[t.Request()]
	if c != nil && (!t.Of(c.number) || c.stage != given || c.worker != nil && c.worker != m || c.worker == nil && m.own != nil) {
		c = nil
	}
	if t.Answer() == shm.Void {
		if c != nil && c.void {
			b.end(c)
			b.registry.Over(c.exchange)
		}
		return nil
	}
	if m.answers == nil || t.Answer() >= m.answers.Len() {
		return errToken
	}
	if c == nil {
		m.answers.Give(t.Answer())
		return nil
	}
	f, err := b.read(m.answers, t.Answer())
	if err != nil {
		return err
	}
	if f.Kind != wire.FrameHead || !f.End() || f.Number != c.number {
		return fmt.Errorf("answer of kind %d: %w", f.Kind, wire.ErrFrame)
	}
	b.deliver(m, c, &f)
	return nil
}

// read copies an answer, of which the worker may change every byte at any time,
// gives its slot back, and takes it apart.
func (b *Backend) read(a *shm.Answers, slot int) (wire.Frame, error) {
	defer a.Give(slot)
	p := b.scratch[:]
	a.Copy(slot, p[:answerHead])
	n := wire.FrameSize(p)
	if n > len(p) {
		return wire.Frame{}, fmt.Errorf("answer of %d bytes in shared memory: %w", n, wire.ErrFrame)
	}
	if n > answerHead {
		a.Tail(slot, answerHead, p[answerHead:n])
	}
	f, _, err := wire.NextFrame(p[:n])
	return f, err
}

// deliver hands an answer to whoever waits for it.
func (b *Backend) deliver(m *member, c *call, f *wire.Frame) {
	if c.direct != nil {
		c.worker = m
		d := c.direct
		if d.Direct.Answer(f) {
			b.end(c)
			d.Direct.Done()
			return
		}
		b.promote(c)
		c = b.calls[c.slot]
	}
	b.end(c)
	if m.link != nil {
		m.link.Deliver(c.exchange, *f)
	}
}

// nonsense ends a worker that writes what cannot be: nothing of it is believed
// any more.
func (b *Backend) nonsense(m *member, err error) {
	b.env.Log.Error("worker sends nonsense; its socket is closed", "pid", m.pid, "error", err)
	if b.env.Broken != nil {
		b.env.Broken(m.worker.Slot, m.pid)
	}
	if m.done >= 0 {
		b.loop.Forget(m.done)
		unix.Close(m.done)
		m.done = -1
	}
	if m.link != nil {
		m.link.Hangup()
	}
}

// gone is called when nothing more will come over a worker's socket. What it has
// written into its memory is still believed.
func (b *Backend) gone(l *channel.Link, claims []uint64) {
	m := b.links[l]
	if m == nil {
		return
	}
	b.answered(m)
	delete(b.links, l)
	hung := b.hungSince(m)
	m.link, m.ready = nil, false
	if b.members[l.Slot] == m && !m.known {
		b.set(l.Slot, nil)
	}
	b.takeUnread(m)
	mine := map[uint64]bool{}
	for _, number := range claims {
		mine[number] = true
	}
	for _, c := range b.calls {
		if c != nil && (c.worker == m || c.worker == nil && (mine[c.number] || c.exchange != nil && c.exchange.Link() == l)) {
			b.lose(m, c, hung)
		}
	}
	for _, x := range b.registry.Open() { // those that were fetched
		if c, is := x.Call.(*call); is && c.stage == fetched && x.Link() == l {
			b.lose(m, c, hung)
		}
	}
	m.close()
	if b.shared != nil && b.taking {
		b.doubt.until = b.shared.sent
		b.kick()
		b.seek()
	}
	b.admit()
}

// lose fails a request that a worker has taken with it.
func (b *Backend) lose(m *member, c *call, hung int64) {
	err := &gateway.WorkerError{Slot: m.worker.Slot, PID: m.pid, Died: true, Err: channel.ErrDied}
	// What came well after the last heartbeat is not what held the loop up.
	err.Hung = hung > 0 && c.sent.UnixNano() < hung+int64(hesitant)
	if c.exchange == nil {
		b.promote(c)
		c = b.calls[c.slot]
	}
	b.end(c) // at once: nobody may take it for one that was never begun
	b.registry.Fail(c.exchange, err)
}

// takeUnread takes back what is still in the pipe of a worker that is gone: it
// goes to others, whatever its method.
func (b *Backend) takeUnread(m *member) {
	if m.own == nil {
		return
	}
	var unread []*call
	m.own.out = m.own.out[:0]
	for p := m.own.take(b.tokens); p != nil; p = m.own.take(b.tokens) {
		for ; len(p) > 0; p = p[shm.TokenSize:] {
			t := shm.ReadToken(p)
			if c := b.calls[t.Request()%len(b.calls)]; c != nil && t.Of(c.number) && c.worker == m {
				unread = append(unread, c)
			}
		}
	}
	for i := len(unread) - 1; i >= 0; i-- {
		b.requeue(unread[i])
	}
}

// requeue puts a request that no worker has seen before all others.
func (b *Backend) requeue(c *call) {
	m := c.place
	b.free(c)
	if m != nil {
		m.load--
		if c.socket {
			m.sockets--
		}
	}
	c.worker, c.place, c.order = nil, nil, 0
	if c.void {
		c.stage = idle
		b.registry.Forget(c.exchange)
		return
	}
	if c.exchange != nil {
		c.exchange.SetLink(nil)
	}
	b.wait(c, b.waiting.PushFront)
}

package python

import (
	"errors"
	"fmt"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/python/link"
	"github.com/gonicorn/gonicorn/gateway/shm"
	"github.com/gonicorn/gonicorn/internal/wire"
	"golang.org/x/sys/unix"
)

// answerHead is how many bytes of an answer are copied first: enough for most heads.
const answerHead = 512

// mostUntaken is the largest number of bytes of an answer that the loop holds and the
// client has not taken: the window, and one more part.
const mostUntaken = wire.MemoryWindow + shm.LargeSize

var errToken = errors.New("invalid token")

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
			b.invalid(m, errToken)
			return
		}
		for p := b.tokens[:n]; len(p) > 0; p = p[shm.TokenSize:] {
			if err := b.answer(m, shm.ReadToken(p)); err != nil {
				b.invalid(m, err)
				return
			}
		}
		if n < len(b.tokens) {
			return // the pipe is empty; the loop reports the next token
		}
	}
}

// answer handles the token of one answer. Answers to requests that have ended are
// dropped.
func (b *Backend) answer(m *member, t shm.Token) error {
	if t.Request() == shm.Batch {
		return b.batchToken(m, t.Answer())
	}
	if t.Request() >= len(b.calls) {
		return errToken
	}
	c := b.calls[t.Request()]
	if c != nil && (!t.Of(c.number) || c.stage != given || c.worker != nil && c.worker != m || c.worker == nil && m.own != nil) {
		c = nil
	}
	if t.Answer() == shm.Void {
		if c != nil && c.takenBack {
			b.end(c)
			b.registry.Over(c.exchange)
		}
		return nil
	}
	if m.answers == nil || m.answers.Size(t.Answer()) == 0 {
		return errToken
	}
	if c == nil {
		m.answers.Give(t.Answer())
		return nil
	}
	f, part, err := b.read(m.answers, t.Answer())
	if err != nil {
		m.answers.Give(t.Answer())
		return err
	}
	if f.Number != c.number || f.Kind != wire.FrameHead && f.Kind != wire.FrameBody {
		part.Release()
		return fmt.Errorf("answer of kind %d: %w", f.Kind, wire.ErrFrame)
	}
	b.deliver(m, c, &f, part)
	return nil
}

// read copies the head of a part of an answer and parses the copy, since the worker may
// change every byte of the original at any time. The part's body is not copied.
func (b *Backend) read(a *shm.Answers, slot int) (wire.Frame, gateway.Part, error) {
	p := b.scratch[:]
	a.Copy(slot, p[:answerHead])
	size := wire.FrameSize(p)
	if size > a.Size(slot) {
		return wire.Frame{}, gateway.Part{}, fmt.Errorf("answer of %d bytes in shared memory: %w", size, wire.ErrFrame)
	}
	f, err := wire.ParseHeader(p)
	if err != nil {
		return f, gateway.Part{}, err
	}
	head := wire.FrameHeader + int(f.FieldBytes)
	if head > len(p) {
		return f, gateway.Part{}, fmt.Errorf("%d bytes of fields in shared memory: %w", f.FieldBytes, wire.ErrFrame)
	}
	if head > answerHead {
		a.Copy(slot, p[:head])
	}
	f.Payload = p[wire.FrameHeader:head]
	return f, gateway.Part{Body: a.Lend(slot, head, size-head), Of: a, Slot: slot}, nil
}

// deliver passes a part of an answer to the connection or goroutine that waits for
// it.
func (b *Backend) deliver(m *member, c *call, f *wire.Frame, part gateway.Part) {
	c.worker = m
	if d := c.onLoop; d != nil {
		if b.serve(c, f, part) {
			if f.End() {
				b.end(c)
				d.caller.Done()
			}
			return
		}
		b.promote(c)
		c = b.calls[c.slot]
	}
	if f.End() {
		b.end(c)
	}
	if m.link != nil {
		m.link.Deliver(c.exchange, *f, part.Body)
	}
	part.Release()
}

// serve passes a part of an answer to the connection on the loop. If it returns false,
// the answer needs a goroutine, and the part still belongs to the caller.
func (b *Backend) serve(c *call, f *wire.Frame, part gateway.Part) bool {
	switch {
	case f.Kind == wire.FrameHead && !c.begun:
		a, ok := b.head(c, f, len(part.Body))
		if !ok {
			return false
		}
		c.untaken = len(part.Body)
		c.begun = c.onLoop.caller.Answer(a, part, f.End())
		return c.begun
	case f.Kind == wire.FrameBody && c.begun && c.untaken+len(part.Body) <= mostUntaken:
		c.untaken += len(part.Body)
		return c.onLoop.caller.Part(part, f.End())
	}
	return false
}

// head parses the head of an answer. The length of a complete answer is known even
// if the app has not said it.
func (b *Backend) head(c *call, f *wire.Frame, body int) (*gateway.Answer, bool) {
	a := &b.told
	*a = gateway.Answer{Status: int(f.Status), AppTime: f.AppTime.Duration()}
	var err error
	if a.Reason, b.fields, err = link.ParseFields(f, b.fields[:0], &b.text); err != nil {
		return nil, false
	}
	if a.Fields, a.Length, err = link.TakeLength(b.fields); err != nil {
		return nil, false
	}
	if f.End() && a.Length < 0 && !http1.Bodyless(c.request.Method, a.Status) {
		a.Length = int64(body)
	}
	return a, true
}

// Taken implements gateway.Call. The worker may send as many bytes more.
func (d *Call) Taken(n int) {
	c := &d.call
	c.untaken -= n
	c.owed += n
	if c.owed >= wire.MemoryWindow/2 && c.stage == given && c.worker.link != nil {
		c.worker.link.Credit(c.number, c.owed)
		c.owed = 0
	}
}

// Abandon implements gateway.Call.
func (d *Call) Abandon() {
	if d.call.stage == given {
		d.b.hide(&d.call).Drop()
	}
}

// invalid cuts off a worker that has written invalid data: nothing more is read
// from it.
func (b *Backend) invalid(m *member, err error) {
	b.env.Log.Error("worker sent invalid data; its socket is closed", "pid", m.pid, "error", err)
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

// gone is called when nothing more will come over a worker's socket. What the worker
// has written into shared memory is still read.
func (b *Backend) gone(l *link.Link, claims []uint64) {
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
	b.loseSockets(m)
	for _, x := range b.registry.Open() { // requests that were fetched have no slot
		if c, is := x.Call.(*call); is && c.stage == fetched && x.Link() == l {
			b.lose(m, c, hung)
		}
	}
	m.close()
	if b.shared != nil && b.taking {
		b.search.until = b.shared.sent
		b.wakeOne()
		b.searchLost()
	}
	b.admit()
}

// lose fails a request whose worker has died.
func (b *Backend) lose(m *member, c *call, hung int64) {
	err := &gateway.WorkerError{Slot: m.worker.Slot, PID: m.pid, Died: true, Err: link.ErrDied}
	// A request that came well after the last heartbeat has not blocked the loop.
	err.Hung = hung > 0 && c.sent.UnixNano() < hung+int64(preferOthers)
	if c.exchange == nil {
		b.promote(c)
		c = b.calls[c.slot]
	}
	b.end(c) // at once: otherwise it would look like a request that no worker has begun
	b.registry.Fail(c.exchange, err)
}

// takeUnread takes back the requests in the pipe of a dead worker. They go to other
// workers, whatever their method: no worker has seen them.
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

// requeue puts a request that no worker has seen at the front of the queue.
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
	if c.takenBack {
		c.stage = idle
		b.registry.Forget(c.exchange)
		return
	}
	if c.exchange != nil {
		c.exchange.SetLink(nil)
	}
	b.wait(c, b.waiting.PushFront)
}

package python

import (
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/gateway/python/link"
	"github.com/gonicorn/gonicorn/gateway/shm"
	"github.com/gonicorn/gonicorn/internal/fifo"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// submit gives a request to a worker, or queues it. A request for a WebSocket is not
// queued if all workers have as many WebSockets as they may have: it would block the
// queue until one of them ends.
func (b *Backend) submit(c *call) {
	c.began = b.loop.Now()
	b.count()
	if b.waiting.Len() == 0 && b.taking {
		if m, ok := b.choose(c.socket); ok && b.give(c, m) {
			return
		}
	}
	if b.full() || !b.taking || c.socket && b.crowded() {
		b.fail(c, gateway.ErrNoCapacity)
		return
	}
	b.wait(c, b.waiting.Push)
	b.lookLater()
}

// wait queues a request.
func (b *Backend) wait(c *call, push func(*fifo.Place[*call])) {
	c.stage, c.b, c.turn.Of = waits, b, c
	push(&c.turn)
	c.late.Owner = c
	b.late.Arm(&c.late)
}

// Expired implements loop.Expirer. The call has waited too long.
func (c *call) Expired(*loop.Deadline) {
	c.b.waiting.Remove(&c.turn)
	c.stage = idle
	c.b.fail(c, gateway.ErrNoCapacity)
}

// admit gives waiting requests to workers that have room.
func (b *Backend) admit() {
	for p := b.waiting.First(); p != nil; p = b.waiting.First() {
		c := p.Of
		m, ok := b.choose(c.socket)
		if !ok && c.socket && b.crowded() {
			b.stopWaiting(c)
			b.fail(c, gateway.ErrNoCapacity)
			continue
		}
		if !ok || b.requests.Free() == 0 {
			b.lookLater()
			return
		}
		b.stopWaiting(c)
		b.give(c, m)
	}
}

func (b *Backend) stopWaiting(c *call) {
	c.late.Disarm()
	b.waiting.Remove(&c.turn)
	c.stage = idle
}

// give writes a request into a slot, and its token into a pipe: m's, or the shared one
// if m is nil. False means that there is no free slot.
func (b *Backend) give(c *call, m *member) bool {
	slot, ok := b.requests.Take()
	if !ok {
		return false
	}
	if !b.encode(c, slot) {
		b.requests.Give(slot)
		if c.exchange == nil { // the request is too long for the loop
			return b.give(b.promote(c).Call.(*call), m)
		}
		b.registry.Forget(c.exchange)
		return true
	}
	c.stage, c.slot, c.sent = given, slot, b.loop.Now()
	b.calls[slot] = c
	to := b.shared
	if m != nil {
		to = m.own
		c.worker = m
		m.load++
		if c.socket {
			m.sockets++
		}
	} else {
		to.load++
		c.order = to.sent + 1
	}
	c.place = m
	to.sent++
	to.out = shm.NewToken(c.number, slot).Append(to.out)
	if x := c.exchange; x != nil {
		x.Dispatched(c.sent)
		if m != nil {
			x.SetLink(m.link)
		}
	}
	return true
}

// encode writes a request into a slot. False means that nobody waits for its answer any
// more, or that it is too long for the loop to serve.
func (b *Backend) encode(c *call, slot int) bool {
	memory := b.requests.Memory(slot)
	var m wire.Marshal
	m.Use(memory)
	app := *b.app.Load()
	if c.exchange != nil {
		if !c.exchange.Encode(&m, app, b.o.Shared || app != link.ASGI) {
			return false
		}
	} else {
		link.EncodeRequest(&m, c.number, c.request, app, b.env)
	}
	if m.Len() > cap(memory) { // it does not fit: the worker has to fetch it over its socket
		if c.exchange == nil {
			return false
		}
		m.Use(memory)
		m.Uint(c.number)
	}
	return true
}

// flush writes the tokens of this turn. A write to the shared pipe wakes one worker. So
// there is one write for each worker or thread that may be idle, and one for the rest.
func (b *Backend) flush() {
	if s := b.shared; s != nil && len(s.out) > 0 {
		places, _ := b.capacity()
		fresh := len(s.out) / shm.TokenSize
		s.write(max(0, min(fresh, places-(s.load-fresh))))
	}
	for _, m := range b.order {
		m.batches.send()
		if m.own != nil && len(m.own.out) > 0 {
			m.own.write(0)
		}
	}
}

// end frees the place of a request when its worker has finished it or will not answer
// it.
func (b *Backend) end(c *call) {
	switch c.stage {
	case idle:
		return
	case waits:
		b.stopWaiting(c)
		return
	case given:
		b.free(c)
	}
	c.stage = idle
	m := c.place
	switch {
	case m == nil:
		b.shared.load--
	default:
		if !c.upgraded {
			m.load--
		}
		if c.socket {
			m.sockets--
		}
	}
	b.admit()
	b.reportIdle()
}

// free gives the slot of a request back.
func (b *Backend) free(c *call) {
	b.calls[c.slot] = nil
	b.requests.Give(c.slot)
}

// upgraded frees the place of a request that has become a WebSocket, if WebSockets
// have places of their own.
func (b *Backend) upgraded(c *call) {
	if b.o.Sockets > 0 && !b.o.Shared && c.place != nil && !c.upgraded && c.stage != idle {
		c.upgraded = true
		c.place.load--
		b.admit()
	}
}

// leave is called when the goroutine of a request no longer waits for the answer, and
// the worker has not finished it.
func (b *Backend) leave(c *call) {
	switch c.stage {
	case waits:
		b.stopWaiting(c)
		b.registry.Forget(c.exchange)
	case given:
		b.takeBack(c)
	case fetched:
		if c.socket { // a WebSocket without a client frees its place even if the app goes on
			b.registry.Over(c.exchange)
		}
	}
}

// takeBack makes workers skip a request that none of them has begun.
func (b *Backend) takeBack(c *call) {
	if !c.takenBack {
		c.takenBack = true
		b.requests.Void(c.slot)
	}
}

// fail ends a request that no worker has.
func (b *Backend) fail(c *call, err error) {
	x := c.exchange
	if x == nil {
		x = b.promote(c)
	}
	b.registry.Fail(x, err)
}

// promote moves a request from the loop to a goroutine with an exchange.
func (b *Backend) promote(c *call) *link.Exchange {
	d := c.onLoop
	x := b.hide(c)
	d.caller.Promote(x)
	return x
}

// hide detaches a request from its connection. It continues in an exchange.
func (b *Backend) hide(c *call) *link.Exchange {
	r := c.request
	own := new(call) // the connection uses c again
	x := b.registry.New(c.number, c.began, &gateway.Request{ID: r.ID, Method: r.Method, Path: r.Path}, nil, own, func(*link.Exchange) {
		b.loop.Post(func() { b.end(own) })
	})
	*own = *c
	x.Owe(c.owed)
	x.Upgraded = b.upgrader(own)
	own.exchange, own.onLoop, own.request = x, nil, nil
	if c.worker != nil && c.worker.link != nil {
		x.SetLink(c.worker.link)
	}
	switch c.stage {
	case idle:
		if c.begun { // the worker has finished: only the client has to take the rest
			b.registry.Forget(x)
		}
	case waits:
		own.late, own.turn = loop.Deadline{Owner: own}, fifo.Place[*call]{Of: own}
		b.waiting.Replace(&c.turn, &own.turn)
		b.late.Replace(&c.late, &own.late)
	case given:
		b.calls[c.slot] = own
		x.Dispatched(c.sent)
	}
	c.stage = idle
	return x
}

// Promote implements gateway.Call.
func (d *Call) Promote() { d.b.promote(&d.call) }

// App returns the app's interface, "" until a worker has said it.
func (b *Backend) App() string {
	if app := b.app.Load(); app != nil {
		return *app
	}
	return ""
}

// stats returns the numbers of this moment.
func (b *Backend) stats() (s Stats) {
	now := time.Now()
	s.Waiting = b.waiting.Len()
	if p := b.waiting.First(); p != nil {
		s.OldestWait = now.Sub(p.Of.began)
	}
	for _, m := range b.order {
		if m.own != nil {
			s.InFlight += m.load
		}
	}
	if b.shared != nil {
		s.InFlight += b.shared.load
		unread := b.shared.unread()
		for _, c := range b.calls {
			if c != nil && c.order > b.shared.sent-uint64(unread) && !c.takenBack {
				s.Waiting++
				s.OldestWait = max(s.OldestWait, now.Sub(c.began))
			}
		}
	}
	return s
}

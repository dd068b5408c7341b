// Package relay carries requests from connections on one event loop to a backend whose
// state belongs to another one, and the answers back. Each end is used on the thread of
// its own loop. What one has to say to the other goes there once a turn.
package relay

import (
	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/answer"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/gateway/pipeline"
)

// Options are the parts of a relay.
type Options struct {
	Here     *loop.Loop     // of the connections
	There    *loop.Loop     // of the backend
	Backend  gateway.Looped // its calls are made and used on There
	Pipeline *pipeline.Pipeline
}

// Relay implements gateway.Looped for the connections of a loop.
type Relay struct {
	o       Options
	asks    *mail // to the backend
	answers *mail // to the connections
	lent          // here
}

// Caller is a gateway.Caller that takes an answer whose head has been read elsewhere.
type Caller interface {
	gateway.Caller
	// AnswerHead is where Respond finds the head.
	AnswerHead() *answer.Head
	// Respond is gateway.Caller's Answer behind the reading of the head.
	Respond(p gateway.Part, end bool)
}

// New makes a relay. It is called before the loops run, and before the servers of the
// connections are made: what these do at the end of a turn is to be sent in that turn.
func New(o Options) *Relay {
	r := &Relay{o: o}
	r.asks, r.answers = newMail(o.There, r.serve), newMail(o.Here, r.hear)
	o.Here.AtTurnEnd(r.asks.flush)
	o.There.AtTurnEnd(r.answers.flush)
	return r
}

// NewCall implements gateway.Looped.
func (r *Relay) NewCall() gateway.Call { return &Call{r: r} }

// serve acts, there, on what the connections say.
func (r *Relay) serve(m *message) {
	t := m.trip
	switch {
	case m.kind == returned:
		m.part.Release()
	case m.kind == submitted:
		t.submit()
	case t.promoted:
	case m.kind == taken:
		t.heard += m.n
		t.inner.Taken(m.n)
	case m.kind == promoting:
		t.inner.Promote()
	case m.kind == abandoned && !t.over:
		t.inner.Abandon()
	}
}

// hear acts, here, on what the backend says.
func (r *Relay) hear(m *message) {
	t := m.trip
	c := t.call
	if c.trip != t { // the connection has given it up
		if m.part.Of != nil {
			r.asks.add(message{kind: returned, part: m.part})
		}
		return
	}
	switch m.kind {
	case answered:
		c.shown = t.shown
		h := c.caller.AnswerHead()
		*h, t.head = t.head, *h
		c.caller.Respond(r.lend(m.part), m.end)
	case followed:
		if p := r.lend(m.part); !c.caller.Part(p, m.end) {
			p.Release() // cannot be: the same was checked there
			c.Promote()
		}
	case finished:
		c.caller.Done()
	}
}

// handOver gives a connection, here, what its request goes on with, while the backend's
// loop waits.
func (r *Relay) handOver(t *trip, x gateway.Begun, told shown) {
	c := t.call
	if c.trip != t {
		x.Drop()
		return
	}
	c.trip = nil
	c.shown = told
	x.Owe(t.told - t.heard)
	c.caller.Promote(x)
}

// lent are the parts that connections have, and whose memory is the backend's.
type lent struct {
	parts []gateway.Part
	free  []int // in parts
}

// lend makes a part one that is given back to the relay.
func (r *Relay) lend(p gateway.Part) gateway.Part {
	if p.Of == nil {
		return p
	}
	at := len(r.parts)
	if n := len(r.free); n > 0 {
		at, r.free = r.free[n-1], r.free[:n-1]
		r.parts[at] = p
	} else {
		r.parts = append(r.parts, p)
	}
	return gateway.Part{Body: p.Body, Of: r, Slot: at}
}

// Return implements gateway.Lender.
func (r *Relay) Return(at int) {
	r.asks.add(message{kind: returned, part: r.parts[at]})
	r.parts[at] = gateway.Part{}
	r.free = append(r.free, at)
}

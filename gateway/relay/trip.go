package relay

import (
	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/answer"
)

// there is how far a request has come with the backend.
type there struct {
	inner    gateway.Call // nil before the first request
	promoted bool         // the backend has no more to do with it
	over     bool         // the answer has ended
	heard    int          // bytes for which taken has come
	length   int64        // of the answer's body, -1 if it is not known
	got      int64        // bytes of it that have come
}

// trip is a request on its way to the backend and back. It is used again for the
// call's next request, unless one end may still use it. Fields with the comment "here"
// belong to the thread of the connections, those of there to the backend's. It
// implements gateway.Caller.
type trip struct {
	r         *Relay
	call      *Call
	told      int  // here: bytes of the answer for which taken was sent
	promoting bool // here: it was to go on in a goroutine

	// A copy of the request: written here, and read there once it was submitted.
	request gateway.Request
	fields  []gateway.Field
	body    []byte

	there

	// The answer: written there, and read here once it was answered.
	head  answer.Head
	first []byte // a copy of the body's first part, if that is short
	shown shown
}

// take copies a request.
func (t *trip) take(q *gateway.Request) {
	t.told = 0
	t.request = *q
	t.fields = append(t.fields[:0], q.Header...)
	t.request.Header = t.fields
	if cap(t.body) > keepBody {
		t.body = nil
	}
	if t.body = append(t.body[:0], q.Body.Inline...); q.Body.Inline != nil {
		t.request.Body.Inline = t.body
	}
}

// submit gives the request to the backend.
func (t *trip) submit() {
	if t.inner == nil {
		t.inner = t.r.o.Backend.NewCall()
	}
	t.over, t.heard, t.got = false, 0, 0
	t.inner.Submit(t, &t.request)
}

// Answer implements gateway.Caller.
func (t *trip) Answer(a *gateway.Answer, p gateway.Part, end bool) bool {
	t.got = int64(len(p.Body))
	if !t.head.Read(t.r.o.Pipeline, &t.request, t.inner, a, t.got, end, t.r.o.There.Now()) {
		return false
	}
	t.length, t.shown = t.head.Length, t.show()
	switch {
	case len(p.Body) <= keepBody:
		t.first = append(t.first[:0], p.Body...)
		p.Release()
		p.Body = t.first
	default:
		p.Keep()
	}
	t.r.answers.add(message{kind: answered, trip: t, part: p, end: end})
	return true
}

// Part implements gateway.Caller.
func (t *trip) Part(p gateway.Part, end bool) bool {
	got := t.got + int64(len(p.Body))
	if !answer.Fits(t.length, got, end) {
		return false
	}
	t.got = got
	p.Keep()
	t.r.answers.add(message{kind: followed, trip: t, part: p, end: end})
	return true
}

// Done implements gateway.Caller.
func (t *trip) Done() {
	t.over = true
	t.r.answers.add(message{kind: finished, trip: t})
}

// Promote implements gateway.Caller. It waits for the connection: what comes for x from
// now on has to come behind what the connection still has.
func (t *trip) Promote(x gateway.Begun) {
	t.promoted = true
	told, heard := t.show(), false
	t.r.answers.flush()
	t.r.o.Here.Do(func() {
		heard = true
		t.r.answers.receive()
		t.r.handOver(t, x, told)
	})
	if !heard { // the loop has ended, and the connection with it
		x.Drop()
	}
}

// show returns what the backend tells about the request.
func (t *trip) show() shown {
	slot, pid := t.inner.Worker()
	return shown{began: t.inner.Began(), sent: t.inner.Sent(), slot: slot, pid: pid}
}

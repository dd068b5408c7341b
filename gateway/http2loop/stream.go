package http2loop

import (
	"errors"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/answer"
	"github.com/gonicorn/gonicorn/gateway/http2"
	"github.com/gonicorn/gonicorn/gateway/loop"
	h2 "golang.org/x/net/http2"
)

// state is the state of a stream.
type state int

const (
	collecting state = iota // waits for the rest of its request
	busy                    // the backend has the request
	answering               // has an answer; parts of it may be in the worker's memory
	sending                 // was counted and logged; the connection sends the rest
	handed                  // has a goroutine
)

// stream is a request on the loop. It implements http2.Owner and gateway.Caller.
type stream struct {
	http2.Stream
	c        *conn
	state    state
	deadline loop.Deadline
	call     gateway.Call // nil before the first request
	req      gateway.Request
	body     []byte // that was collected; nil if none
	headed   bool   // the response has begun
	held     int    // reserved bytes
	losing
	handing
	slowness
	answer answer.Head
	parts  parts
	rest   []byte // the rest of an answer, copied out of its worker's memory
}

// losing is for a stream whose client has left while the backend had the request. A
// backend that belongs to another loop says later what becomes of it.
type losing struct {
	lost  bool
	cause error
}

// handing is for a stream with a goroutine.
type handing struct {
	trailers []gateway.Field // for the goroutine
	task     *task           // nil without a goroutine
	pending  *part           // that the goroutine has given and that is being sent
}

// slowness is how fast a client takes what is sent.
type slowness struct {
	left    int         // bytes that it had not taken at the last check
	patient bool        // the write timeout runs, not the short one
	pace    answer.Pace // how fast it takes an answer that is in its worker's memory
}

// reset makes a stream ready for another request, which overwrites the fields that
// stay.
func (st *stream) reset() {
	st.answer.Reset()
	st.parts = parts{waiting: st.parts.waiting[:0]}
	st.c, st.state, st.body, st.trailers, st.task, st.pending = nil, collecting, nil, nil, nil, nil
	if cap(st.rest) > keepRest {
		st.rest = nil
	}
	st.Forget()
}

// Begin implements http2.Owner.
func (st *stream) Begin() {
	st.c.begun()
	st.state, st.headed = collecting, false
	h := &st.Head
	if h.Size > heldHead && !st.reserve(h.Size) {
		st.c.wire.Reset(&st.Stream, h2.ErrCodeRefusedStream)
		return
	}
	if bad := st.check(); bad != nil {
		st.hand(bad)
		return
	}
	switch {
	case st.Whole():
		st.serve()
	case h.Protocol != "" || !st.collects():
		st.hand(nil)
	default:
		if h.Continue && h.Length != 0 {
			st.invite()
		}
		st.c.s.body.Arm(&st.deadline)
	}
}

// collects reports whether the loop collects the body. It does in any case if the
// Content-Length is 0, since the client may still send something.
func (st *stream) collects() bool {
	s, n := st.c.s, st.Head.Length
	return n == 0 || s.o.Backend != nil && s.o.Pipeline.RequestBuffering && n <= bodyMost
}

// serve gives a complete request to the backend.
func (st *stream) serve() {
	s := st.c.s
	if s.o.Backend == nil || st.Head.Protocol != "" {
		st.hand(nil)
		return
	}
	if len(st.body) > 0 {
		st.req.Body.Inline, st.req.Body.Length = st.body, int64(len(st.body))
	}
	if err := s.o.Pipeline.Forward.Apply(&st.req, &s.text); err != nil {
		st.hand(nil)
		return
	}
	st.state = busy
	s.answer.Arm(&st.deadline)
	if st.call == nil {
		st.call = s.o.Backend.NewCall()
	}
	st.call.Submit(st, &st.req)
}

// Data implements http2.Owner.
func (st *stream) Data(p []byte) {
	c := st.c
	switch {
	case st.reader() != nil:
		st.reader().add(p)
		return
	case st.state != collecting:
	case c.s.o.HTTP.MaxBody > 0 && st.Got() > c.s.o.HTTP.MaxBody:
		st.hand(&gateway.BadRequest{Status: 413, Reason: "request body too large"})
	case st.collect(p):
		c.s.body.Arm(&st.deadline)
	case st.hand(nil):
		st.task.body.add(p)
		return
	}
	c.wire.Consumed(&st.Stream, len(p))
}

// reader is the body of a request whose goroutine may read it; nil if nobody does: the
// goroutine may have answered, and ended, before the client has sent all of it.
func (st *stream) reader() *body {
	if st.state != handed || st.task == nil {
		return nil
	}
	return st.task.body
}

// collect keeps a part of a body; false means that it is too much for the loop.
func (st *stream) collect(p []byte) bool {
	if len(st.body)+len(p) > bodyMost {
		return false
	}
	if st.body == nil {
		if st.body = st.c.s.room(); st.body == nil {
			return false
		}
	}
	st.body = append(st.body, p...)
	return true
}

// End implements http2.Owner.
func (st *stream) End(trailers []gateway.Field) {
	switch {
	case st.reader() != nil:
		st.reader().end(st.Short(), trailers)
	case st.state != collecting:
	case st.Short():
		st.hand(&gateway.BadRequest{Status: 400, Reason: "body shorter than its Content-Length"})
	case len(trailers) > 0:
		st.trailers = trailers
		st.hand(nil)
	default:
		st.deadline.Disarm()
		st.serve()
	}
}

// Sent implements http2.Owner.
func (st *stream) Sent() {
	if st.state == answering {
		st.partSent()
		st.sendParts()
		return
	}
	st.deadline.Disarm()
	if p := st.pending; p != nil {
		st.pending = nil
		p.finish(nil)
	}
}

// Closed implements http2.Owner.
func (st *stream) Closed(err error) {
	c := st.c
	st.deadline.Disarm()
	switch st.state {
	case busy:
		st.call.Promote() // the goroutine finds that its client has gone
		if st.state == busy {
			st.lost, st.cause = true, err
			c.lost++
			return
		}
	case answering:
		if err != nil {
			st.cut()
		}
		return // without an error record is about to be called
	case sending:
		st.settle()
		return
	}
	if p := st.pending; p != nil {
		st.pending = nil
		p.finish(gateway.ErrClientGone)
	}
	st.end(err)
}

// end is called when the stream has ended. A goroutine may still have its request.
func (st *stream) end(err error) {
	if t := st.task; t != nil {
		t.closed(err)
	}
	st.release()
}

// found says what has become of a request whose client has left: a goroutine has it, or
// it was answered.
func (st *stream) found() {
	c := st.c
	st.lost = false
	c.lost--
	c.finish()
}

// release gives the stream back.
func (st *stream) release() {
	c := st.c
	if st.body != nil {
		c.s.giveRoom(st.body)
	}
	c.unreserve(st.held)
	st.held = 0
	c.s.give(st)
	c.rests()
	c.touch()
}

// Expired implements loop.Expirer.
func (st *stream) Expired(*loop.Deadline) {
	c := st.c
	switch st.state {
	case collecting:
		st.hand(&gateway.BadRequest{Status: 408, Reason: "the body took too long"})
	case busy:
		st.call.Promote() // the goroutine answers that it took too long
	case answering:
		st.stuck()
	default:
		st.slow()
	}
	c.touch()
}

// slow is called when the client may have taken nothing for a while.
func (st *stream) slow() {
	c := st.c
	n, some := st.Left()
	switch {
	case !some:
	case n < st.left && st.patient:
		st.waits()
	case n < st.left:
		st.waitsForClient()
	case st.patient:
		c.wire.Reset(&st.Stream, h2.ErrCodeCancel)
	case st.reserve(heldBody):
		st.waits()
	default:
		c.wire.Reset(&st.Stream, h2.ErrCodeEnhanceYourCalm)
	}
}

// waits gives the client the write timeout to take the rest of the response.
func (st *stream) waits() {
	st.left, _ = st.Left()
	st.patient = true
	st.c.s.write.Arm(&st.deadline)
}

// Promote implements gateway.Caller: the request goes on in a goroutine.
func (st *stream) Promote(x gateway.Begun) {
	if st.state != busy && st.state != answering { // the answer was sent before the backend had heard of it
		x.Drop()
		return
	}
	st.req.Begun, st.req.Asked = x, st.call.Began()
	if st.state == answering {
		st.handParts(x)
	}
	st.state = collecting
	st.hand(nil)
	st.call = nil // it must not be used again
	if st.lost {
		st.found()
		st.end(st.cause)
	}
}

// toBad returns err as a *gateway.BadRequest, or nil if it is something else.
func toBad(err error) *gateway.BadRequest {
	if err == nil {
		return nil
	}
	var bad *gateway.BadRequest
	errors.As(err, &bad)
	return bad
}

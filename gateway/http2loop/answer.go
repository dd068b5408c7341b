package http2loop

import (
	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/answer"
	"github.com/gonicorn/gonicorn/gateway/pipeline"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
	h2 "golang.org/x/net/http2"
)

// parts is an answer that is being sent to the client.
type parts struct {
	waiting []gateway.Part // not completely sent; the first is being sent
	got     int64          // bytes of the body that have come
	sent    int64          // bytes of it that were sent
	told    int            // bytes of the first part that the backend was told of (Call.Taken)
	whole   bool           // the whole answer came at once
	ended   bool           // the last part has come
	over    bool           // the backend has called Done
}

// Answer implements gateway.Caller.
func (st *stream) Answer(a *gateway.Answer, p gateway.Part, end bool) bool {
	c := st.c
	if !st.answer.Read(c.s.o.Pipeline, &st.req, st.call, a, int64(len(p.Body)), end, c.now()) {
		return false
	}
	st.Respond(p, end)
	return true
}

// AnswerHead implements relay.Caller.
func (st *stream) AnswerHead() *answer.Head { return &st.answer }

// Respond implements relay.Caller.
func (st *stream) Respond(p gateway.Part, end bool) {
	c, h := st.c, &st.answer
	if st.lost {
		p.Release()
		st.found()
		st.cut()
		return
	}
	st.state = answering
	st.deadline.Disarm()
	st.parts = parts{waiting: st.parts.waiting[:0], got: int64(len(p.Body)), whole: end, ended: end}
	none := end && (h.Bodyless || len(p.Body) == 0)
	st.head(h.Status, h.Fields, h.Length, h.Bodyless, none)
	switch {
	case none || len(p.Body) == 0:
		p.Release()
	case c.wire.Send(&st.Stream, p.Body, end, nil):
		st.taken(len(p.Body))
		p.Release()
	default:
		p.Keep()
		c.wire.Moved(&st.Stream, p.Body)
		st.parts.waiting = append(st.parts.waiting, p)
		st.holdsWorker()
	}
	c.touch()
	if end && len(st.parts.waiting) == 0 {
		st.record("")
	}
}

// Part implements gateway.Caller.
func (st *stream) Part(p gateway.Part, end bool) bool {
	a, length := &st.parts, st.answer.Length
	got := a.got + int64(len(p.Body))
	if !answer.Fits(length, got, end) {
		return false
	}
	a.got, a.ended = got, end
	if len(p.Body) > 0 {
		p.Keep()
		a.waiting = append(a.waiting, p)
	} else {
		p.Release()
	}
	if st.Open {
		if _, some := st.Left(); !some {
			st.sendParts()
		}
	}
	st.c.touch()
	return true
}

// sendParts sends what has come, as much as the client takes.
func (st *stream) sendParts() {
	a, w := &st.parts, st.c.wire
	for len(a.waiting) > 0 {
		p := &a.waiting[0]
		if !w.Send(&st.Stream, p.Body, a.ended && len(a.waiting) == 1, nil) {
			st.holdsWorker()
			return
		}
		st.partSent()
	}
	st.deadline.Disarm()
	if a.ended && !st.Ended() && st.Open {
		w.Send(&st.Stream, nil, true, nil) // an empty frame needs no window
	}
	if a.ended {
		st.record("")
	}
}

// partSent records that the first part was sent.
func (st *stream) partSent() {
	a := &st.parts
	st.taken(len(a.waiting[0].Body) - a.told)
	a.waiting[0].Release()
	left := copy(a.waiting, a.waiting[1:])
	clear(a.waiting[left:])
	a.waiting, a.told = a.waiting[:left], 0
}

// taken tells the backend that n more bytes were sent.
func (st *stream) taken(n int) {
	st.parts.sent += int64(n)
	if !st.parts.over && n > 0 {
		st.call.Taken(n)
	}
}

// waitsForClient gives the client a moment to take what is left.
func (st *stream) waitsForClient() {
	st.left, _ = st.Left()
	st.patient = false
	st.c.s.stuck.Arm(&st.deadline)
}

// holdsWorker starts to watch a client that has not taken everything in its worker's
// memory. If it takes something now and then, that does not put off the next check.
func (st *stream) holdsWorker() {
	if !st.deadline.Armed() {
		st.tellTaken()
		st.pace.Begin(st.parts.sent)
		st.c.s.stuck.Arm(&st.deadline)
	}
}

// tellTaken tells the backend what the client has taken of the first part.
func (st *stream) tellTaken() {
	a := &st.parts
	if n, some := st.Left(); some && len(a.waiting) > 0 {
		sent := len(a.waiting[0].Body) - n - a.told
		a.told += sent
		st.taken(sent)
	}
}

// stuck is called when the client may be too slow. If it is, what is left leaves the
// worker's memory: the short rest of an answer is copied to the stream, anything else
// goes to a goroutine.
func (st *stream) stuck() {
	a, c := &st.parts, st.c
	st.tellTaken()
	n, some := st.Left()
	switch {
	case !some || len(a.waiting) == 0:
		return
	case st.pace.Keeps(a.sent) || n > restMost && !c.s.o.Pipeline.TakesStuck() || !c.s.leaving.Allow():
		c.s.stuck.Arm(&st.deadline)
	case !st.reserve(min(n, heldBody)):
		c.wire.Reset(&st.Stream, h2.ErrCodeEnhanceYourCalm)
	case a.ended && len(a.waiting) == 1 && n <= restMost:
		p := a.waiting[0]
		clear(a.waiting)
		c.wire.TakeBack(&st.Stream)
		st.rest = append(st.rest[:0], p.Body[len(p.Body)-n:]...)
		st.taken(len(p.Body) - n - a.told)
		p.Release()
		a.waiting, a.told = a.waiting[:0], 0
		a.sent += int64(n) // these bytes will be sent, or the stream is reset
		st.record("")
		if !c.wire.Send(&st.Stream, st.rest, true, nil) {
			st.waits()
		}
	default:
		st.call.Promote()
	}
}

// Done implements gateway.Caller: the backend has forgotten the call.
func (st *stream) Done() {
	st.parts.over = true
	st.settle()
}

// record counts and logs an answer.
func (st *stream) record(cut string) {
	h, a := &st.answer, &st.parts
	app := h.App
	if cut != "" || !a.whole {
		app = max(st.c.now().Sub(st.call.Began())-h.Queue, 0)
	}
	status := h.Status
	if cut != "" {
		status = pipeline.ClientGone
	}
	st.req.QueueWait = h.Queue
	st.req.Slot, st.req.WorkerPID = st.call.Worker()
	st.c.s.o.Pipeline.Finish(&pipeline.Record{
		Request: &st.req, Status: status, Sent: a.sent, Fields: h.Fields, Begun: st.req.Received, Cut: cut, Asked: true, App: app, Last: app,
	})
	st.state = sending
	st.settle()
}

// settle gives the stream back when neither the connection nor the backend uses it any
// more.
func (st *stream) settle() {
	if st.state == sending && st.parts.over && !st.Open {
		st.release()
	}
}

// cut ends an answer whose client has gone.
func (st *stream) cut() {
	st.dropParts()
	if over := st.parts.over; !over {
		st.call.Abandon()
		st.parts.over = true
	}
	st.record(scoreboard.CutClient)
}

// dropParts gives back the worker's memory that an answer holds.
func (st *stream) dropParts() {
	a := &st.parts
	for i := range a.waiting {
		a.waiting[i].Release()
	}
	clear(a.waiting)
	a.waiting = a.waiting[:0]
}

// handParts gives a goroutine the part of an answer that was not sent.
func (st *stream) handParts(x gateway.Begun) {
	a, h := &st.parts, &st.answer
	left := st.c.wire.TakeBack(&st.Stream)
	skip := 0
	if len(a.waiting) > 0 {
		skip = len(a.waiting[0].Body) - left
		a.sent += int64(skip - a.told)
	}
	st.req.Resumed = &gateway.Resumed{
		Status: h.Status, Fields: append([]gateway.Field(nil), h.Fields...), Length: h.Length, Sent: a.sent, Plain: h.Plain,
	}
	st.req.QueueWait = h.Queue
	x.Resume(h.Length, a.sent, skip-a.told)
	for i := range a.waiting {
		x.Add(a.waiting[i].Body[skip:], false)
		skip = 0
	}
	if a.ended {
		x.Add(nil, true)
	}
	st.dropParts()
}

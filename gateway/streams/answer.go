package streams

import (
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/channel"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/pipeline"
	"github.com/gonicorn/gonicorn/gateway/python"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// Answer implements python.Direct. An answer in parts has a goroutine.
func (st *stream) Answer(f *wire.Frame, part python.Part) bool {
	if !f.End() {
		return false
	}
	s := st.c.s
	_, fields, err := channel.ParseFields(f, st.fields[:0])
	if err != nil || f.Status < 200 || f.Status > 999 {
		return false
	}
	fields, length, err := channel.TakeLength(fields)
	if err != nil {
		return false
	}
	st.fields = fields
	status, body := int(f.Status), part.Body
	bodyless := http1.Bodyless(st.req.Method, status)
	if !bodyless {
		if length >= 0 && length != int64(len(body)) {
			return false
		}
		length = int64(len(body))
	}
	st.kept = st.kept[:0]
	if said := s.o.Pipeline.Inspect(&st.kept, fields); said.File != "" || http1.CheckResponse(status, st.kept) != nil {
		return false
	}
	queue, app := st.took(f)
	if s.o.Pipeline.ServerTiming {
		st.kept = append(st.kept, gateway.Field{Name: "server-timing", Value: pipeline.Timing(queue, app)})
	}
	st.kept = append(st.kept, gateway.Field{Name: "x-request-id", Value: st.req.ID})
	if bodyless {
		body = nil
	}
	st.state = answering
	st.deadline.Disarm()
	st.send(status, length, body, bodyless)
	part.Release()
	st.req.QueueWait = queue
	st.req.Slot, st.req.WorkerPID = st.call.Worker()
	s.o.Pipeline.Finish(&pipeline.Record{
		Request: &st.req, Status: status, Sent: int64(len(body)), Fields: st.kept, Begun: st.req.Received, Asked: true, App: app, Last: app,
	})
	return true
}

// Part implements python.Direct.
func (st *stream) Part(python.Part, bool) bool { return false }

// send sends a whole response. What the client cannot take now is copied: the
// answer's memory is the backend's.
func (st *stream) send(status int, length int64, body []byte, bodyless bool) {
	c := st.c
	st.head(status, st.kept, length, bodyless, len(body) == 0)
	c.touch()
	if len(body) == 0 || c.wire.Send(&st.Stream, body, true, nil) {
		return
	}
	left := c.wire.TakeBack(&st.Stream)
	st.rest = append(st.rest[:0], body[len(body)-left:]...)
	c.wire.Send(&st.Stream, st.rest, true, nil)
	st.waits()
}

// took says how long the request has waited for a worker, and how long one has
// had it.
func (st *stream) took(f *wire.Frame) (queue, app time.Duration) {
	all := st.c.now().Sub(st.call.Began())
	if app = f.InHand.Duration(); app > 0 {
		return max(all-app, 0), app
	}
	queue = st.call.Sent().Sub(st.call.Began())
	return queue, max(all-queue, 0)
}

// Done implements python.Direct: the call can be used again.
func (st *stream) Done() {
	st.state = sending
	if !st.Open {
		st.release()
	}
}

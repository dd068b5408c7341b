package pipeline

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/pipeline/buffer"
)

// heldBackMost is the size in bytes of a short response, which is buffered until it is
// complete.
const heldBackMost = 64 << 10

// transaction is one request and the answer to it, with replays. As the backend's
// Reply it takes the response from the worker as fast as it comes: a short one is
// buffered until it is complete, and sent when the worker is already free; a long or
// slow one goes through a spool, from which another goroutine sends it.
type transaction struct {
	p *Pipeline
	r *gateway.Request
	w gateway.Reply

	timings
	saidHead
	carried
	upload *upload // nil unless the body goes to the app as it comes
	spool  *buffer.Spool
	sender chan error // gets the result of sending the spool
}

// timings says when what has happened.
type timings struct {
	timer  *time.Timer // runs until the answer begins; may be nil
	begun  time.Time
	app    time.Duration // how long workers have had the request
	last   time.Duration // how long the last worker has had it
	asked  time.Time     // when the backend got it
	waited time.Duration // QueueWait at that time
}

// carried is how far the answer has come.
type carried struct {
	plain   bool // nothing is held back
	headed  bool // Head was called
	ended   bool // End was called
	sent    int64
	body    []byte      // held back
	started atomic.Bool // something may have been sent
	cut     string      // who cut the response; empty if it is complete
}

// saidHead is the answer as the worker has announced it.
type saidHead struct {
	status  int
	reason  string
	fields  []gateway.Field
	length  int64
	trailer []gateway.Field
	file    string // the file to send in place of the body
}

var errNotEnded = errors.New("the answer has no end")

func newTransaction(p *Pipeline, r *gateway.Request, w gateway.Reply) *transaction {
	return &transaction{p: p, r: r, w: w, carried: carried{plain: !p.ResponseBuffering}, timings: timings{begun: r.Received}}
}

// resume continues an answer that was begun on the loop.
func (e *transaction) resume(s *gateway.Resumed) {
	e.status, e.fields, e.length, e.sent, e.headed = s.Status, s.Fields, s.Length, s.Sent, true
	e.started.Store(true)
	if e.plain = e.plain || s.Plain; !e.plain {
		e.stream()
	}
}

// again forgets an answer that has not been sent, for a replay.
func (e *transaction) again() {
	e.headed, e.ended, e.body, e.fields, e.file, e.trailer = false, false, e.body[:0], nil, "", nil
	e.status, e.plain = 0, !e.p.ResponseBuffering
}

// Started implements gateway.Reply.
func (e *transaction) Started() bool { return e.started.Load() || e.w.Started() }

// Interim implements gateway.Reply.
func (e *transaction) Interim(status int, fields []gateway.Field) error {
	if e.headed {
		return nil
	}
	return e.w.Interim(status, fields)
}

// Upgrade implements gateway.Reply.
func (e *transaction) Upgrade(status int, fields []gateway.Field) (net.Conn, error) {
	e.stopTimer()
	e.status = status
	e.started.Store(true)
	conn, err := e.w.Upgrade(status, fields)
	e.ended = true
	return conn, err
}

func (e *transaction) stopTimer() {
	if e.timer != nil {
		e.timer.Stop()
	}
}

// Head implements gateway.Reply.
func (e *transaction) Head(status int, reason string, fields []gateway.Field, length int64) error {
	e.stopTimer()
	e.status, e.reason, e.length, e.headed = status, reason, length, true
	e.fields = e.inspect(fields)
	if e.file != "" || !e.plain {
		return nil
	}
	return e.sendHead()
}

// inspect returns the fields for the client, and notes what the response says to the
// gateway.
func (e *transaction) inspect(fields []gateway.Field) []gateway.Field {
	keep := make([]gateway.Field, 0, len(fields)+1)
	said := e.p.Inspect(&keep, fields)
	e.plain = e.plain || said.Plain
	e.file = said.File
	if e.p.ServerTiming {
		keep = append(keep, gateway.Field{Name: "server-timing", Value: e.timing()})
	}
	if e.r.ID != "" {
		keep = append(keep, gateway.Field{Name: "x-request-id", Value: e.r.ID})
	}
	return keep
}

// timing returns the value of the Server-Timing field for the time so far.
func (e *transaction) timing() string {
	wait := e.r.QueueWait
	return Timing(wait, e.app+time.Since(e.asked)-(wait-e.waited))
}

func (e *transaction) sendHead() error {
	if err := e.upload.fault(); err != nil && !e.w.Started() {
		e.started.Store(false)
		return err
	}
	e.started.Store(true)
	return e.w.Head(e.status, e.reason, e.fields, e.length)
}

// Write implements gateway.Reply.
func (e *transaction) Write(p []byte) (int, error) {
	switch {
	case e.file != "":
		return len(p), nil
	case e.plain:
		n, err := e.w.Write(p)
		e.sent += int64(n)
		return n, err
	case e.spool != nil:
		return e.spool.Write(p)
	case len(e.body)+len(p) <= heldBackMost:
		e.body = append(e.body, p...)
		return len(p), nil
	}
	e.stream()
	return e.spool.Write(p)
}

// WriteFile implements gateway.Reply.
func (e *transaction) WriteFile(f *os.File, off, n int64) error {
	switch {
	case e.file != "":
		return nil
	case e.plain:
		e.sent += n
		return e.w.WriteFile(f, off, n)
	case e.spool == nil:
		e.stream()
	}
	return e.spool.WriteFile(f, off, n)
}

// Flush implements gateway.Reply. It sends what is held back, since more may come late.
func (e *transaction) Flush() error {
	switch {
	case e.file != "" || !e.headed:
		return nil
	case e.plain:
		return e.w.Flush()
	case e.spool == nil:
		e.stream()
	}
	return e.spool.Flush()
}

// End implements gateway.Reply.
func (e *transaction) End(trailers []gateway.Field) error {
	e.ended = true
	switch {
	case e.file != "":
		return nil
	case e.plain:
		return e.w.End(trailers)
	case e.spool != nil:
		e.spool.Close(trailers)
		return nil
	}
	e.trailer = append([]gateway.Field(nil), trailers...)
	return nil
}

// stream starts sending through a spool.
func (e *transaction) stream() {
	e.started.Store(true)
	e.spool, e.sender = buffer.NewSpool(e.p.Response), make(chan error, 1)
	if len(e.body) > 0 {
		_, _ = e.spool.Write(e.body) // sender gets the error too
	}
	go func() { e.sender <- e.drain() }()
}

// drain sends what the spool holds until its end.
func (e *transaction) drain() error {
	var err error
	if e.r.Resumed == nil {
		err = e.sendHead()
	}
	if err == nil {
		var n int64
		n, err = e.spool.Drain(e.w)
		e.sent += n
	}
	if err != nil {
		e.spool.Abort(err)
	}
	return err
}

// settle sends what is held back, or waits until the spool was sent. The worker is
// already free.
func (e *transaction) settle(err error) error {
	if err == nil && !e.ended {
		err = errNotEnded
	}
	switch {
	case e.spool != nil:
		if err != nil {
			e.spool.Abort(err)
		}
		sent := <-e.sender
		if err == nil {
			err = sent
		}
		return err
	case err != nil || e.plain || !e.headed:
		return err
	case e.file != "":
		return e.sendNamed()
	}
	if err := e.sendHead(); err != nil {
		return err
	}
	if len(e.body) > 0 {
		n, err := e.w.Write(e.body)
		e.sent += int64(n)
		if err != nil {
			return err
		}
	}
	return e.w.End(e.trailer)
}

// finish counts the request and writes the access log's line.
func (e *transaction) finish() {
	e.p.Finish(&Record{
		Request: e.r, Status: e.status, Sent: e.sent, Fields: e.fields, Begun: e.begun, Cut: e.cut,
		Asked: !e.asked.IsZero(), App: e.app, Last: e.last,
	})
}

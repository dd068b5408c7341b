package proxy

import (
	"errors"
	"syscall"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/dispatch"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
)

// stage is where a call is.
type stage int

const (
	idle    stage = iota // nowhere
	waits                // for a place at a worker
	dials                // has a place, and waits for a connection
	asked                // waits for the answer's head
	answers              // and for its body
)

// Call is one request that the loop carries to a worker. It implements
// gateway.Call. Once it is promoted it belongs to the goroutine that continues with
// the request: see resume.go.
type Call struct {
	b        *Backend
	caller   gateway.Caller
	r        *gateway.Request
	stage    stage
	promoted bool

	queued
	assigned
	answer
}

// queued is the state of a call that waits for a place at a worker.
type queued struct {
	waiter dispatch.Waiter
	err    error         // why it gets none
	began  time.Time     // when it began to wait
	sent   time.Time     // when it had one
	waited time.Duration // until then, in the queue
}

// assigned is the state of a call that has a worker.
type assigned struct {
	worker *worker // whose place it has; nil for none
	by     *worker // who has answered it
	entry  entry
	link   *loopConn // to the worker
	wrote  int       // of the request, bytes
	rest   []byte    // of the request, not written yet
}

// NewCall implements gateway.Looped.
func (b *Backend) NewCall() gateway.Call {
	call := &Call{b: b}
	call.late.Owner = call
	call.waiter.Called = func(at int) { b.Loop.Post(func() { call.called(at) }) }
	return call
}

// Began implements gateway.Call.
func (c *Call) Began() time.Time { return c.began }

// Sent implements gateway.Call.
func (c *Call) Sent() time.Time { return c.sent }

// Worker implements gateway.Call.
func (c *Call) Worker() (slot, pid int) {
	if c.by == nil {
		return -1, 0
	}
	return c.by.slot, c.by.pid
}

// Submit implements gateway.Call.
func (c *Call) Submit(caller gateway.Caller, r *gateway.Request) {
	c.caller = caller
	c.r, c.began, c.waited, c.by, c.over = r, c.b.Loop.Now(), 0, nil, false
	// The last request may have been abandoned in the middle of its answer.
	c.res, c.rest, c.untaken, c.paused = nil, nil, 0, false
	c.enter()
}

// enter takes a place at a worker, or waits for one.
func (c *Call) enter() {
	switch at, now, err := c.b.Pool.Enter(&c.waiter); {
	case err != nil:
		c.err = err
		c.Promote()
	case now:
		c.begin(at)
	default:
		c.stage = waits
	}
}

// called is called when the call's turn has come, or will not come.
func (c *Call) called(at int) {
	if c.promoted {
		return
	}
	c.stage = idle
	c.waited += c.b.Pool.Taken(&c.waiter)
	if at < 0 {
		c.err = gateway.ErrNoCapacity
		c.Promote()
		return
	}
	c.begin(at)
}

// begin gives the request to the worker in a slot.
func (c *Call) begin(at int) {
	w := (*c.b.workers.Load())[at]
	if w == nil { // it has vanished since
		c.b.Pool.Release(at)
		c.enter()
		return
	}
	c.worker, c.by, c.sent = w, w, c.b.Loop.Now()
	w.ledger.begin(&c.entry, c.r, scoreboard.At(c.sent), true)
	for l := w.links.take(c.sent); l != nil; l = w.links.take(c.sent) {
		if c.ask(l) {
			return
		}
	}
	c.dial()
}

// dial connects to the worker. Errors are left to a goroutine.
func (c *Call) dial() {
	l, err := c.worker.dialLink()
	if err != nil {
		c.Promote()
		return
	}
	c.link, l.call, c.stage = l, c, dials
	if l.connected {
		c.ask(l)
		return
	}
	c.b.dialing.Arm(&l.deadline)
}

// ask writes the request. It returns false if the connection has taken nothing of it;
// the connection is closed then.
func (c *Call) ask(l *loopConn) bool {
	if l.reused && !l.silent() {
		l.close()
		return false
	}
	out, err := http1.AppendRequestHead(c.b.out[:0], c.r, c.r.Header)
	if err != nil {
		c.link, l.call = nil, nil
		l.keep()
		c.release(false)
		c.Promote() // a goroutine gets the same error, and reports it
		return true
	}
	out = append(out, c.r.Body.Inline...)
	c.b.out = out
	n, errno := loop.Write(l.fd, out)
	switch {
	case errno == syscall.EAGAIN:
		n = 0
	case errno != 0 && l.reused:
		l.close()
		return false
	case errno != 0:
		c.link, l.call = nil, nil
		l.close()
		c.Promote()
		return true
	}
	c.link, l.call, l.heard, l.failed, c.wrote, c.stage = l, c, false, nil, n, asked
	c.res = c.b.takeResponse(l)
	if n < len(out) {
		c.rest = append([]byte(nil), out[n:]...)
		if l.watchOutput() != nil {
			c.Promote()
		}
	}
	return true
}

// write sends the rest of the request.
func (c *Call) write() {
	n, errno := loop.Write(c.link.fd, c.rest)
	switch {
	case errno == syscall.EAGAIN:
	case errno != 0:
		c.rest, c.link.broken = nil, true // an answer, if there is one, says more
	default:
		c.rest, c.wrote = c.rest[n:], c.wrote+n
	}
}

// read reads the available bytes of the answer.
func (c *Call) read() {
	if c.stage == asked {
		err := c.res.parse(c.b.MaxResponseHead, c.r.Method)
		if errors.Is(err, http1.ErrDry) {
			return
		}
		if err != nil || c.res.head.Status < 200 {
			c.Promote()
			return
		}
		c.stage = answers
		c.worker.ledger.answer(&c.entry)
		c.link.promise(&c.res.head)
		if !c.res.open(c.r.Method) {
			c.whole(nil)
			return
		}
	}
	if c.res.told {
		c.relay()
	} else {
		c.gather()
	}
}

// finish gives back what the call has, once all of the answer was read.
func (c *Call) finish() {
	l := c.link
	c.link, l.call = nil, nil
	c.late.Disarm()
	if c.res.reusable() && len(c.rest) == 0 {
		l.keep()
	} else {
		l.close()
	}
	c.b.giveResponse(c.res)
	c.res, c.rest, c.over = nil, nil, true
	c.release(true)
}

// release gives the worker back.
func (c *Call) release(answered bool) {
	w := c.worker
	w.ledger.end(&c.entry, scoreboard.At(c.b.Loop.Now()), answered)
	c.worker, c.stage = nil, idle
	c.b.Pool.Release(w.slot)
}

// Abandon implements gateway.Call: closing the connection tells the worker.
func (c *Call) Abandon() {
	if c.worker == nil {
		return
	}
	c.late.Disarm()
	c.link.close()
	c.link = nil
	c.release(true)
}

// Promote implements gateway.Call: the request goes to a goroutine, with what has
// been done for it.
func (c *Call) Promote() {
	c.promoted = true
	c.late.Disarm()
	if c.stage == waits {
		c.b.Pool.Keep(&c.waiter)
	}
	if c.worker != nil {
		c.worker.ledger.detach(&c.entry)
	}
	if l := c.link; l != nil && c.stage == dials {
		c.link = nil
		l.close()
	} else if l != nil {
		l.leave()
	}
	c.caller.Promote(c)
}

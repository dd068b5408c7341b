package http1loop

import (
	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/answer"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/gateway/pipeline"
	"golang.org/x/sys/unix"
)

// Answer implements gateway.Caller.
func (c *conn) Answer(a *gateway.Answer, part gateway.Part, end bool) bool {
	if !c.answer.Read(c.s.o.Pipeline, &c.req, c.call, a, int64(len(part.Body)), end, c.s.o.Loop.Now()) {
		return false
	}
	c.Respond(part, end)
	return true
}

// AnswerHead implements relay.Caller.
func (c *conn) AnswerHead() *answer.Head { return &c.answer }

// Respond implements relay.Caller.
func (c *conn) Respond(part gateway.Part, end bool) {
	s, body, h := c.s, int64(len(part.Body)), &c.answer
	chunked := h.Length < 0 && !h.Bodyless
	c.last = c.last || s.draining
	framing := http1.Framing{Minor: c.head.Minor, Bodyless: h.Bodyless, Chunked: chunked, Last: c.last}
	s.out = http1.AppendResponseHead(s.out[:0], h.Status, h.Reason, h.Fields, h.Length, framing, s.o.HTTP.OwnAt(s.o.Loop.Now()))
	if !end {
		c.beginLong(h.Status, h.Length, framing.Chunked, h.Plain, h.Queue, part)
		return
	}
	sent := int64(0)
	if !framing.Bodyless {
		s.out = framing.AppendBody(s.out, part.Body)
		sent = body
	}
	part.Release()
	c.state = writing
	c.send(c.seal(s.out))
	c.req.QueueWait = h.Queue
	c.req.Slot, c.req.WorkerPID = c.call.Worker()
	s.o.Pipeline.Finish(&pipeline.Record{
		Request: &c.req, Status: h.Status, Sent: sent, Fields: h.Fields, Begun: c.received, Asked: true, App: h.App, Last: h.App,
	})
}

// send writes a response. It keeps what the client does not take now.
func (c *conn) send(p []byte) {
	for len(p) > 0 {
		n, err := loop.Write(c.fd, p)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			c.out = append([]byte(nil), p...)
			c.s.write.Arm(&c.deadline)
			return
		case err != 0:
			c.out, c.last, c.more = nil, true, false
			return // it is closed when the backend has forgotten the call
		default:
			p = p[n:]
		}
	}
	c.out = nil
}

// Done implements gateway.Caller: the call can be used again.
func (c *conn) Done() {
	if c.state == writing && len(c.out) == 0 {
		c.sent()
	}
}

// flush writes what is left of a response.
func (c *conn) flush() {
	for len(c.out) > 0 {
		n, err := loop.Write(c.fd, c.out)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			c.s.write.Arm(&c.deadline)
			return
		case err != 0:
			c.close()
			return
		default:
			c.out = c.out[n:]
		}
	}
	c.out = nil
	c.sent()
}

// sent is called when a response has gone out.
func (c *conn) sent() {
	c.served = true
	if !c.last {
		c.used()
		c.next()
		return
	}
	c.bye()
	if c.n <= c.total && !c.more && !c.s.draining {
		c.close()
		return
	}
	// The client may have sent what nobody reads: closing would reset the
	// connection before it has read its response (RFC 9112, 9.6).
	c.state = lingering
	_ = unix.Shutdown(c.fd, unix.SHUT_WR) // the end is read below
	c.s.linger.Arm(&c.deadline)
	c.discard()
}

// discard reads until the client has gone.
func (c *conn) discard() {
	for range 16 {
		n, err := loop.Read(c.fd, c.s.out[:cap(c.s.out)])
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			return
		case err != 0 || n == 0:
			c.close()
			return
		}
	}
}

package direct

import (
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/channel"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/pipeline"
	"github.com/gonicorn/gonicorn/gateway/python"
	"github.com/gonicorn/gonicorn/internal/wire"
	"golang.org/x/sys/unix"
)

// Answer implements python.Direct.
func (c *conn) Answer(f *wire.Frame, part python.Part) bool {
	s, end, body := c.s, f.End(), int64(len(part.Body))
	reason, fields, err := channel.ParseFields(f, c.fields[:0])
	if err != nil || f.Status < 200 || f.Status > 999 {
		return false
	}
	fields, length, err := channel.TakeLength(fields)
	if err != nil {
		return false
	}
	c.fields = fields
	status := int(f.Status)
	framing := http1.Framing{Minor: c.head.Minor, Bodyless: http1.Bodyless(c.req.Method, status)}
	switch {
	case framing.Bodyless && !end:
		return false
	case framing.Bodyless:
	case length >= 0 && (body > length || end && body != length):
		return false
	case end:
		length = body
	case length < 0 && c.head.Minor == 0:
		return false
	default:
		framing.Chunked = length < 0
	}
	c.kept = c.kept[:0]
	said := s.o.Pipeline.Inspect(&c.kept, fields)
	if said.File != "" || http1.CheckResponse(status, c.kept) != nil {
		return false
	}
	queue, app := c.took(f)
	if s.o.Pipeline.ServerTiming {
		c.kept = append(c.kept, gateway.Field{Name: "server-timing", Value: pipeline.Timing(queue, app)})
	}
	c.kept = append(c.kept, gateway.Field{Name: "x-request-id", Value: c.req.ID})
	c.last = c.last || s.draining
	framing.Last = c.last
	s.out = http1.AppendResponseHead(s.out[:0], status, reason, c.kept, length, framing, s.o.HTTP.OwnAt(s.o.Loop.Now()))
	if !end {
		c.stream(status, length, framing.Chunked, said.Plain, queue, part)
		return true
	}
	sent := int64(0)
	if !framing.Bodyless {
		s.out = append(s.out, part.Body...)
		sent = body
	}
	part.Release()
	c.state = writing
	c.send(s.out)
	c.req.QueueWait = queue
	c.req.Slot, c.req.WorkerPID = c.call.Worker()
	s.o.Pipeline.Finish(&pipeline.Record{
		Request: &c.req, Status: status, Sent: sent, Fields: c.kept, Begun: c.received, Asked: true, App: app, Last: app,
	})
	return true
}

// took says how long the request has waited for a worker, and how long one has
// had it.
func (c *conn) took(f *wire.Frame) (queue, app time.Duration) {
	all := c.s.o.Loop.Now().Sub(c.call.Began())
	if app = f.InHand.Duration(); app > 0 {
		return max(all-app, 0), app
	}
	queue = c.call.Sent().Sub(c.call.Began())
	return queue, max(all-queue, 0)
}

// send writes a response; what the client does not take now is kept.
func (c *conn) send(p []byte) {
	for len(p) > 0 {
		n, err := write(c.fd, p)
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

// Done implements python.Direct: the call can be used again.
func (c *conn) Done() {
	if c.state == writing && len(c.out) == 0 {
		c.sent()
	}
}

// flush writes what the client has not taken.
func (c *conn) flush() {
	for len(c.out) > 0 {
		n, err := write(c.fd, c.out)
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
		n, err := read(c.fd, c.s.out[:cap(c.s.out)])
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

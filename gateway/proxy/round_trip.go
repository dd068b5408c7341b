package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
)

const (
	copyFirst = 8 << 10  // for a body, as long as it comes in small parts
	copyMost  = 64 << 10 // for a body otherwise
	atOnce    = 16 << 10 // a body up to this goes out in one write with its head
)

// roundTrip is one request on its way to a worker and back. It is used again for
// other requests, with its buffers.
type roundTrip struct {
	*response // read through the exchange from conn

	b *Backend
	asking
	buf   []byte // for the response's body
	own   entry
	entry *entry // own, or that of a request that the loop has begun

	ctx    context.Context
	r      *gateway.Request
	w      gateway.Reply
	begun  *Call // what the loop has done for it; nil once that was taken over
	worker *worker

	conn *workerConn
	outcome
}

// outcome is what has come of it.
type outcome struct {
	answered  bool   // the worker has sent something
	dirty     bool   // the reply has something that was not flushed
	free      bool   // the worker has been given back
	leave     func() // gives back the place of a WebSocket; nil for a request
	readErr   error  // of the connection, not of the parser
	replyErr  error  // of the reply
	tunnelled bool   // the reply was ended by an upgrade
}

// asking is the request as the worker gets it.
type asking struct {
	out     []byte  // the request's head, and its body if that is small
	upgrade string  // what the worker may switch to
	method  string  // as the worker got it
	ownKey  bool    // the WebSocket's key is the gateway's
	inline  bool    // the body is in out
	sender  *sender // sends the body meanwhile; may be nil
	pending []byte  // out, until the first read
}

func newRoundTrip(b *Backend) *roundTrip {
	x := &roundTrip{b: b, asking: asking{out: make([]byte, 0, 1024)}, response: newResponse()}
	x.src, x.entry = x, &x.own
	return x
}

// recycle gives the exchange back, with clean buffers.
func (x *roundTrip) recycle() {
	x.response.recycle()
	*x = roundTrip{b: x.b, response: x.response, asking: asking{out: x.out[:0]}, buf: x.buf}
	if cap(x.out) > atOnce+firstBuffer*2 {
		x.out = make([]byte, 0, 1024)
	}
	x.src, x.entry = x, &x.own
	x.b.exchanges.Put(x)
}

// prepare writes the request's head, and its body where that is small.
func (x *roundTrip) prepare(ctx context.Context, r *gateway.Request, w gateway.Reply) error {
	x.ctx, x.r, x.w = ctx, r, w
	out, err := x.appendHead(x.out)
	if err != nil {
		return err
	}
	switch {
	case r.Method == "CONNECT": // what the client sends is for the tunnel
		x.inline = true
	case r.Body.File == nil && r.Body.Stream == nil && len(r.Body.Inline) <= atOnce:
		x.inline = true
		out = append(out, r.Body.Inline...)
	}
	x.out = out
	return nil
}

// carry has one worker answer the request.
func (x *roundTrip) carry(w *worker) error {
	x.worker, x.free = w, false
	if x.begun != nil {
		x.entry = &x.begun.entry
	} else {
		x.entry = &x.own
		w.ledger.begin(x.entry, x.r, scoreboard.Now(), x.inline || x.r.Body.Stream == nil)
	}
	defer x.release()
	for fresh := false; ; {
		x.answered, x.dirty, x.readErr, x.replyErr, x.sender = false, false, nil, nil, nil
		c, err := x.connect(fresh)
		if err != nil {
			return err
		}
		x.conn = c
		err = x.over(c)
		if err == nil || !c.reused || x.answered || x.ctx.Err() != nil {
			return err
		}
		if c.wrote > 0 {
			if !x.repeatable() {
				return err
			}
			fresh = true
		}
		x.response.recycle()
		x.src = x
	}
}

// connect returns an idle connection or a new one. A request that may have been
// seen by the worker is not Unsent any more.
func (x *roundTrip) connect(fresh bool) (*workerConn, error) {
	if c := x.begun; c != nil {
		x.begun = nil
		if c.link != nil {
			return x.adopt(c)
		}
	}
	if !fresh {
		if c := x.worker.take(scoreboard.Now()); c != nil {
			return c, nil
		}
	}
	c, err := x.worker.dial(x.ctx)
	var failed *gateway.WorkerError
	if fresh && errors.As(err, &failed) {
		failed.Unsent = false
	}
	return c, err
}

// repeatable reports whether the request may be sent again after a connection
// has broken without an answer (RFC 9110, 9.2.2).
func (x *roundTrip) repeatable() bool {
	switch x.method {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return x.r.Body.Stream == nil
	}
	return false
}

// over sends the request over a connection and passes the answer on. The
// connection is kept or closed, and the body's sender has ended afterwards.
func (x *roundTrip) over(c *workerConn) error {
	stop := context.AfterFunc(x.ctx, c.kill)
	reusable, err := x.roundTrip(c)
	if !stop() {
		reusable = false
	}
	if x.sender != nil {
		reusable = x.sender.finished() && reusable
	}
	if reusable {
		x.worker.put(c, scoreboard.Now())
	} else {
		c.discard()
	}
	x.conn = nil
	if x.answered || err == nil || x.sender != nil && x.r.Body.Stream != nil {
		x.release() // the client may go on sending for long
	}
	if err == nil {
		err = x.end()
	}
	if x.sender != nil {
		if sent := x.sender.wait(); sent != nil && err != nil && x.ctx.Err() == nil {
			return sent
		}
	}
	return err
}

// release gives the worker back, once.
func (x *roundTrip) release() {
	if x.free {
		return
	}
	x.free = true
	if x.b.HoldHung && !x.answered && errors.Is(context.Cause(x.ctx), gateway.ErrTimeout) && x.worker.keepHung(x.entry) {
		return
	}
	x.worker.ledger.end(x.entry, scoreboard.Now(), x.answered)
	if x.leave != nil {
		x.leave()
		x.leave = nil
		return
	}
	x.b.Pool.Release(x.worker.slot)
}

// Read implements io.Reader for the response's parser: before it waits for the
// worker, what has been passed on is flushed.
func (x *roundTrip) Read(p []byte) (n int, err error) {
	if out := x.pending; out != nil {
		x.pending = nil
		n, err = x.conn.exchange(out, p)
	} else {
		n, err = x.conn.read(p, x.dirty)
		if errors.Is(err, http1.ErrDry) {
			x.dirty = false
			if x.replyErr = x.w.Flush(); x.replyErr != nil {
				return 0, x.replyErr
			}
			n, err = x.conn.read(p, false)
		}
	}
	if n > 0 {
		x.answered = true
	}
	x.readErr = err
	return n, err
}

// failed says what went wrong while the response was read: what ended the
// request, what its client did, or what the worker did.
func (x *roundTrip) failed(err error) error {
	if cause := context.Cause(x.ctx); cause != nil {
		return cause
	}
	if x.replyErr != nil {
		var bad *gateway.BadResponse
		if errors.As(x.replyErr, &bad) {
			return &gateway.WorkerError{Slot: x.worker.slot, PID: x.worker.pid, Err: bad}
		}
		return x.replyErr
	}
	e := &gateway.WorkerError{Slot: x.worker.slot, PID: x.worker.pid}
	switch {
	case x.readErr == nil:
		var bad *gateway.BadRequest
		if errors.As(err, &bad) {
			err = &gateway.BadResponse{Reason: bad.Reason}
		}
		e.Err = err
	case x.worker.gone.Load():
		e.Died, e.Err = true, fmt.Errorf("read response: %w", errReaped)
	case errors.Is(x.readErr, io.EOF) && !x.answered:
		e.Died, e.Err = true, errors.New("connection was closed before the answer began")
	case errors.Is(x.readErr, io.EOF):
		e.Died, e.Err = true, fmt.Errorf("read response: %w", io.ErrUnexpectedEOF)
	default:
		e.Died, e.Err = true, fmt.Errorf("read response: %w", x.readErr)
	}
	e.Hung = e.Died && x.worker.mute.Load()
	if x.conn.wrote == 0 {
		e.Unsent = true
		if !x.conn.reused {
			x.worker.avoid()
		}
	}
	return e
}

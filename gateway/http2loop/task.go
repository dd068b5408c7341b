package http2loop

import (
	"context"
	"runtime/debug"
	"slices"

	"github.com/gonicorn/gonicorn/gateway"
	h2 "golang.org/x/net/http2"
)

// task is a request that has a goroutine.
type task struct {
	s      *Server
	conn   *conn   // loop
	st     *stream // loop: nil once the stream has ended
	cancel context.CancelCauseFunc
	req    gateway.Request
	reply  reply
	body   *body // nil if the whole body was here already, or nobody wants it
	held   int   // loop: reserved bytes
}

// hand gives the request a goroutine, with what has come of its body. With bad, the
// goroutine refuses the request. False means that there is no room for its body: the
// stream was reset, and the client may send the request again.
func (st *stream) hand(bad *gateway.BadRequest) bool {
	c := st.c
	if bad == nil && !st.Whole() && st.Head.Protocol == "" && !st.reserve(heldBody) {
		c.wire.Reset(&st.Stream, h2.ErrCodeRefusedStream)
		return false
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	t := &task{s: c.s, conn: c, st: st, cancel: cancel, req: st.req}
	t.reply.begin(t)
	t.req.Header = slices.Clone(st.req.Header)
	st.req.Before = gateway.Before{}
	if t.req.Begun != nil { // Forward.Apply is called again
		t.req.Scheme, t.req.Client = c.about.Scheme, gateway.Client{}
	}
	if bad == nil {
		t.takeBody(st)
	}
	if st.body != nil {
		c.s.giveRoom(st.body)
		st.body = nil
	}
	st.deadline.Disarm()
	st.state, st.task = handed, t
	t.held, st.held = st.held, 0
	c.tasks++
	go t.run(ctx, bad)
	return true
}

// takeBody gives the request its body; a part of it may have arrived.
func (t *task) takeBody(st *stream) {
	r := &t.req
	r.Body = gateway.Body{}
	some := slices.Clone(st.body)
	if st.Whole() && st.Head.Protocol == "" && len(st.trailers) == 0 {
		r.Body.Inline, r.Body.Length = some, int64(len(some))
		return
	}
	t.body = newBody(t, st.Head.Continue && len(some) == 0)
	t.body.begin(some)
	if len(st.trailers) > 0 {
		t.body.end(false, st.trailers)
		st.trailers = nil
	}
	if st.Head.Protocol == "" {
		r.Body.Length, r.Body.Stream, r.Body.Trailers = st.Head.Length, t.body, t.body.trailers
	}
}

// run answers the request.
func (t *task) run(ctx context.Context, bad *gateway.BadRequest) {
	defer t.s.o.Loop.Post(t.ended)
	defer t.cancel(nil)
	defer t.reply.finish()
	defer func() {
		if b := t.req.Begun; b != nil { // the backend did not get it
			b.Drop()
		}
	}()
	defer func() { // a panic of the handler does not end the process
		if p := recover(); p != nil {
			t.s.o.Log.Error("a handler panics", "panic", p, "request", t.req.ID, "stack", string(debug.Stack()))
		}
	}()
	if bad != nil {
		t.s.o.HTTP.Handler.Refuse(&t.req, bad, &t.reply)
		return
	}
	t.s.o.HTTP.Handler.Serve(ctx, &t.req, &t.reply)
}

// ended is called on the loop when the goroutine has ended.
func (t *task) ended() {
	c := t.conn
	c.tasks--
	c.unreserve(t.held)
	if st := t.st; st != nil {
		st.task = nil
		t.leave()
	} else {
		c.orphans--
	}
	c.finish()
}

// closed is called on the loop when the stream has ended.
func (t *task) closed(err error) {
	t.st = nil
	t.conn.orphans++
	if err != nil {
		t.cancel(gateway.ErrClientGone)
	}
	t.leave()
}

// leave counts the unread part of the body as consumed.
func (t *task) leave() {
	if t.body != nil {
		t.conn.wire.Discarded(t.body.leave())
		t.conn.touch()
	}
}

// do calls f on the loop, with the stream, or with nil if that has ended. It does not
// wait.
func (t *task) do(f func(st *stream)) {
	t.s.o.Loop.Post(func() {
		f(t.st)
		t.conn.touch()
	})
}

package http1

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
)

const (
	firstBuffer = 2 << 10   // bytes of a connection's buffer at first
	keepBuffer  = 16 << 10  // a larger one is not kept while the connection is idle
	keepBody    = 256 << 10 // bytes of a body that nobody wanted which are read to keep the connection
	lingerTime  = time.Second
	watchAfter  = 20 * time.Millisecond // a request in hand for longer has its client watched
)

// conn is one connection being served.
type conn struct {
	s     *Server
	c     Conn
	in    *Reader
	head  RequestHead
	req   gateway.Request
	body  body
	reply reply
	watch watcher
	data  []byte // a small request body

	readBy, writeBy time.Time // the deadlines that are set
	hurried         sync.Mutex
	idle            bool // waits for a request; guarded by hurried
}

func newConn(s *Server, c Conn) *conn {
	x := &conn{s: s, c: c}
	x.in = NewReader(c.Conn, firstBuffer)
	x.reply.x, x.body.x, x.watch.x = x, x, x
	return x
}

// serve serves requests until one is the connection's last.
func (x *conn) serve(ctx context.Context) {
	defer x.c.Close()
	defer x.watch.end()
	for {
		more, err := x.await()
		if !more {
			if bad := (*gateway.BadRequest)(nil); errors.As(err, &bad) {
				x.refuse(bad)
			}
			return
		}
		if !x.exchange(ctx) {
			return
		}
		x.recycle()
	}
}

// await reads the next request's head. False ends the connection, with the
// answer it must get if the error is a *BadRequest.
func (x *conn) await() (more bool, err error) {
	trusted := x.s.Trusted != nil && x.s.Trusted(x.c.Remote.Addr(), x.c.LocalUnix != "")
	x.req = gateway.Request{}
	started := len(x.in.Buffered()) > 0
	if started {
		x.req.Received = time.Now()
	}
	for {
		if b := x.in.Buffered(); len(b) > 0 {
			n, err := x.head.Parse(b, &x.s.Rules, trusted)
			if err != nil {
				return false, err
			}
			if n > 0 {
				x.in.Discard(n)
				return true, nil
			}
		}
		if err := x.fillHead(&started); err != nil {
			return false, err
		}
	}
}

// fillHead reads more of a head. Before its first byte the connection is idle.
func (x *conn) fillHead(started *bool) error {
	if *started {
		if x.s.HeaderTimeout > 0 {
			x.readDeadline(x.req.Received.Add(x.s.HeaderTimeout))
		}
	} else if !x.beIdle() {
		return io.EOF
	}
	limits := x.s.Rules.Limits.withDefaults()
	err := x.in.Fill(limits.Head + limits.RequestLine)
	if !*started {
		x.hurried.Lock()
		x.idle = false
		x.hurried.Unlock()
		*started = err == nil
		x.req.Received = time.Now()
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) && *started:
		return &gateway.BadRequest{Status: 408, Reason: "the head took too long"}
	case errors.Is(err, errFull):
		return tooLarge("request head too long")
	}
	return err
}

// beIdle sets the time for the next request to begin. The first request of a
// connection has as long as a head. It returns false when none is wanted.
func (x *conn) beIdle() bool {
	x.hurried.Lock()
	defer x.hurried.Unlock()
	x.idle = true
	wait := x.s.KeepAlive
	if x.reply.served == 0 {
		wait = x.s.HeaderTimeout
	} else if wait <= 0 {
		return false
	}
	if x.s.draining.Load() {
		wait = min(drainIdle, max(wait, 1))
	}
	if wait > 0 {
		x.readDeadline(time.Now().Add(wait))
	} else {
		x.readDeadline(time.Time{})
	}
	return true
}

// hurry shortens an idle connection's time, since the server drains.
func (x *conn) hurry() {
	x.hurried.Lock()
	defer x.hurried.Unlock()
	if x.idle {
		_ = x.c.SetReadDeadline(time.Now().Add(drainIdle)) // a closed one is what is wanted
	}
}

// readDeadline sets the time for the next read, unless what is set is near.
func (x *conn) readDeadline(t time.Time) {
	if near(x.readBy, t) {
		return
	}
	x.readBy = t
	_ = x.c.SetReadDeadline(t) // the read fails too
}

func (x *conn) writeDeadline() {
	if x.s.WriteTimeout <= 0 {
		return
	}
	if t := time.Now().Add(x.s.WriteTimeout); !near(x.writeBy, t) {
		x.writeBy = t
		_ = x.c.SetWriteDeadline(t) // the write fails too
	}
}

// near saves setting a deadline anew for every request: an eighth of the time
// less does no harm.
func near(set, want time.Time) bool {
	if set.IsZero() || want.IsZero() {
		return set.Equal(want)
	}
	off := want.Sub(set)
	return off >= 0 && off < time.Until(want)/8
}

// exchange has the request answered, and reports whether the connection can
// be used again.
func (x *conn) exchange(ctx context.Context) bool {
	if x.s.MaxBody > 0 && x.head.Length > x.s.MaxBody {
		x.refuse(&gateway.BadRequest{Status: 413, Reason: "request body too large"})
		return false
	}
	x.describe()
	x.body.begin()
	x.reply.begin()
	requestCtx, cancel := context.WithCancelCause(ctx)
	x.watch.begin(cancel)
	x.handle(requestCtx)
	x.watch.stop()
	cancel(nil)
	return x.reply.finish() && x.body.finish()
}

// handle calls the handler, which cannot take the process with it.
func (x *conn) handle(ctx context.Context) {
	defer func() {
		if p := recover(); p != nil {
			x.s.Log.Error("the gateway panics", "panic", p, "request", x.req.ID, "stack", string(debug.Stack()))
			x.reply.broken = true
		}
	}()
	x.s.Handler.Serve(ctx, &x.req, &x.reply)
}

// describe fills in the request from its head.
func (x *conn) describe() {
	h, r := &x.head, &x.req
	r.Number = x.s.number.Add(1)
	r.Method, r.Target, r.Path, r.Query, r.Host = h.Method, h.Target, h.Path, h.Query, h.Host
	r.Scheme, r.Major, r.Minor, r.Header, r.Upgrade = x.c.Scheme, h.Major, h.Minor, h.Fields, h.Upgrade
	r.Remote, r.Local, r.LocalUnix, r.TLS = x.c.Remote, x.c.Local, x.c.LocalUnix, x.c.TLS
}

// refuse answers what is no acceptable request and ends the connection so that
// the answer arrives although not all was read.
func (x *conn) refuse(why *gateway.BadRequest) {
	x.describe()
	x.body.begin()
	x.reply.begin()
	x.reply.last = true
	x.s.Handler.Refuse(&x.req, why, &x.reply)
	if x.reply.finish() || x.reply.ended {
		x.linger()
	}
}

// linger lets the client read what was sent: closing with its bytes unread
// would reset the connection (RFC 9112, 9.6).
func (x *conn) linger() {
	half, ok := x.c.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	_ = x.c.SetReadDeadline(time.Now().Add(lingerTime)) // the copy fails too
	_, _ = io.CopyN(io.Discard, x.c.Conn, keepBody)
}

// recycle makes the connection ready for the next request.
func (x *conn) recycle() {
	x.head.Reset()
	x.req = gateway.Request{}
	if cap(x.data) > keepBuffer {
		x.data = nil
	}
	if cap(x.reply.out) > 2*keepBuffer {
		x.reply.out = nil
	}
	if len(x.in.buf) > keepBuffer && len(x.in.Buffered()) == 0 {
		x.in = NewReader(x.c.Conn, firstBuffer)
	}
}

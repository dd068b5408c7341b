package http1

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/budget"
)

const (
	keepBody   = 256 << 10 // bytes of an unwanted body that are read to keep the connection
	lingerTime = 2 * time.Second
)

// serverConn is one connection being served.
type serverConn struct {
	s *Server
	peer
	in    Reader
	head  RequestHead
	req   gateway.Request
	body  body
	reply reply
	grown *budget.Account // in s.Heads; nil without a bound
	watch watcher

	begun    *Begun // what was done for the first request; nil afterwards
	returned bool   // Conn.Return has taken the connection back

	times
	pausing

	probing
	writing
}

// pausing says whether the connection waits for a request.
type pausing struct {
	hurried sync.Mutex
	idle    bool // the connection waits for a request; guarded by hurried
}

// writing is memory for a write of several parts.
type writing struct {
	parts  [2][]byte // of a write
	vector net.Buffers
}

// probing looks for bytes without a wait.
type probing struct {
	tryRead func(fd uintptr) bool // x.try, made once
	tryErr  error                 // its result
	one     [1]byte
}

// peer is the other end.
type peer struct {
	c       Conn
	raw     syscall.RawConn // of c if that is a plain socket, else nil
	trusted bool            // the peer may send forwarder headers
}

// times are a connection's.
type times struct {
	opened          time.Time // when it came here
	readBy, writeBy time.Time // the current deadlines
}

func newServerConn(s *Server, c Conn) *serverConn {
	x := &serverConn{s: s, peer: peer{c: c, raw: rawSocket(c.Conn)}, times: times{opened: time.Now()}}
	x.trusted = s.Trusted != nil && s.Trusted(c.Peer.Addr, c.Peer.Unix)
	x.in.src = c.Conn
	x.in.w = len(c.Ahead)
	x.in.buf = c.Ahead
	x.c.Ahead = nil
	x.begun = c.Begun
	if c.Served {
		x.reply.served = 1
	}
	if s.Heads != nil {
		x.grown = s.Heads.Account()
	}
	x.tryRead = x.try
	x.reply.x, x.body.x, x.watch.x = x, x, x
	return x
}

// serve serves requests until the connection's last one.
func (x *serverConn) serve(ctx context.Context) {
	// The context is the connection's: a client that has gone does not come back.
	ctx, cancel := context.WithCancelCause(ctx)
	x.watch.gone = cancel
	defer x.release()
	defer func() { x.c.Close() }() // evaluated then, since Return may have changed x.c
	if x.grown != nil {
		defer x.grown.Close()
	}
	defer cancel(nil)
	defer x.watch.stop()
	defer func() { x.begun.Drop() }()
	for {
		if err := x.await(); err != nil {
			if bad := (*gateway.BadRequest)(nil); errors.As(err, &bad) {
				x.head.salvage(x.in.Buffered())
				x.refuse(bad)
			}
			return
		}
		if !x.exchange(ctx) {
			return
		}
		common := x.common()
		x.head.Reset()
		x.req = gateway.Request{}
		x.ungrow()
		if common && x.giveBack() {
			return
		}
	}
}

// common reports whether the last request had a small body, so that the loop may
// serve the next one.
func (x *serverConn) common() bool {
	r := &x.reply
	return x.c.Return != nil && x.head.Length >= 0 && x.head.Length < commonMost && !r.upgraded
}

// commonMost is how many bytes make a body too large for the event loop.
const commonMost = 32 << 10

// giveBack offers the connection to Conn.Return while it waits for a request.
func (x *serverConn) giveBack() bool {
	if len(x.in.Buffered()) > 0 || x.s.draining.Load() || x.s.KeepAlive <= 0 {
		return false
	}
	x.returned = x.c.Return(&x.c)
	return x.returned
}

// ungrow replaces a buffer that has grown for a long head, once it is empty.
func (x *serverConn) ungrow() {
	if x.grown == nil || x.grown.Held() == 0 || len(x.in.Buffered()) > 0 {
		return
	}
	x.in.lend(x.s.blocks.get())
	x.grown.Close()
}

// await reads the next request's head. An error ends the connection; the client gets
// an answer if it is a *BadRequest.
func (x *serverConn) await() error {
	if len(x.in.Buffered()) == 0 {
		if err := x.first(); err != nil {
			return err
		}
	}
	x.req.Received = x.c.Received
	if x.c.Received = (time.Time{}); x.req.Received.IsZero() {
		x.req.Received = time.Now()
	}
	for {
		n, err := x.head.Parse(x.in.Buffered(), &x.s.Rules, x.trusted)
		if err != nil {
			return err
		}
		if n > 0 {
			x.in.Discard(n)
			return nil
		}
		if err := x.fillHead(); err != nil {
			return err
		}
	}
}

// fillHead reads more of a head.
func (x *serverConn) fillHead() error {
	if t := x.s.HeaderTimeout; t > 0 {
		x.readUntil(x.req.Received.Add(t))
	} else {
		x.readWithin(0)
	}
	limits := x.s.Rules.Limits.withDefaults()
	if more := x.in.growth(); more > 0 && x.grown != nil && !x.grown.Try(int64(more)) {
		return &gateway.BadRequest{Status: 503, Reason: "too much is held of heads that are not complete"}
	}
	err := x.in.Fill(limits.Head + limits.RequestLine)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &gateway.BadRequest{Status: 408, Reason: "the head took too long"}
	case errors.Is(err, errFull):
		return tooLarge("request head too long")
	}
	return err
}

// exchange lets the handler answer the request. It reports whether the connection can
// be used again.
func (x *serverConn) exchange(ctx context.Context) bool {
	if x.s.MaxBody > 0 && x.head.Length > x.s.MaxBody {
		x.refuse(&gateway.BadRequest{Status: 413, Reason: "request body too large"})
		return false
	}
	x.describe()
	begun := x.begun
	x.begun = nil
	x.body.begin()
	x.reply.begin()
	if begun != nil && begun.Resumed != nil {
		x.reply.resume(begun)
	}
	x.watch.begin()
	x.handle(ctx)
	x.watch.stop()
	if x.req.Begun != nil { // the backend did not get the request
		begun.Drop()
	}
	if ctx.Err() != nil {
		_ = x.reply.clientGone() // nothing more can be sent
	}
	again := x.reply.finish()
	switch {
	case again && x.body.finish():
		return true
	case x.reply.ended && (again || x.unread()):
		x.linger()
	}
	return false
}

// unread reports whether the client may have sent bytes that nobody has read.
func (x *serverConn) unread() bool {
	return x.head.Method == "CONNECT" || x.body.state.Load() != bodyDone || len(x.in.Buffered()) > 0 || x.s.draining.Load()
}

// handle calls the handler. Its panics do not end the process.
func (x *serverConn) handle(ctx context.Context) {
	defer func() {
		if p := recover(); p != nil {
			x.s.log().Error("a handler panics", "panic", p, "request", x.req.ID, "stack", string(debug.Stack()))
			x.reply.broken = true
		}
	}()
	x.s.Handler.Serve(ctx, &x.req, &x.reply)
}

// describe fills in the request from its head.
func (x *serverConn) describe() {
	h, r := &x.head, &x.req
	r.Number = x.s.number.Add(1)
	r.Method, r.Target, r.Path, r.Query, r.Host = h.Method, h.Target, h.Path, h.Query, h.Host
	r.Scheme, r.Major, r.Minor, r.Header, r.Upgrade = x.c.Scheme, h.Major, h.Minor, h.Fields, h.Upgrade
	r.Remote, r.Local, r.LocalUnix, r.TLS = x.c.Remote, x.c.Local, x.c.LocalUnix, x.c.TLS
	r.Peer = x.c.Peer
	if b := x.begun; b != nil {
		r.Number, r.ID, r.Asked, r.Begun, r.Resumed, r.QueueWait = b.Number, b.ID, b.Asked, b.With, b.Resumed, b.QueueWait
	}
}

// refuse answers a request that is not acceptable. It ends the connection in a way
// that lets the answer arrive although not everything was read.
func (x *serverConn) refuse(why *gateway.BadRequest) {
	x.head.Length, x.head.KeepAlive, x.head.Upgrade = 0, false, ""
	x.describe()
	x.body.begin()
	x.reply.begin()
	defer func() {
		if p := recover(); p != nil {
			x.s.log().Error("a handler panics", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	x.s.Handler.Refuse(&x.req, why, &x.reply)
	x.reply.finish()
	if x.reply.ended {
		x.linger()
	}
}

// linger lets the client read what was sent. Closing the connection while bytes of the
// client are unread would reset it (RFC 9112, 9.6).
func (x *serverConn) linger() {
	half, ok := x.c.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	x.release()
	x.readBy = pastDeadline
	x.readWithin(lingerTime)
	_, _ = io.Copy(io.Discard, x.c.Conn) // until the client has gone or the time is up
}

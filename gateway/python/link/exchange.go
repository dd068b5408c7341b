package link

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/websocket"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// Exchange is one request and its answer at a worker. Its frames come from the
// goroutine that reads the worker's socket, or from the loop. Run turns them into a
// response, in the request's own goroutine.
type Exchange struct {
	Number  uint64           // of the request, on the wire and in claims
	Request *gateway.Request // changed only by Attach
	Call    any              // for the backend; set once

	// Upgraded is called with the connection when the exchange becomes a WebSocket. h
	// is nil if the app speaks the protocol itself, and has the connection. over is
	// called when the WebSocket is over, even if the app goes on.
	Upgraded func(conn net.Conn, h *websocket.Handshake, over func()) Socket

	env   *Env
	reply gateway.Reply
	notices

	mu sync.Mutex // guards what follows, down to inbound, but for began
	taker
	passing            // the request's body
	handover *handover // the socket that the app may take; nil if it is not offered
	inbound

	resume *resumed     // how far the answer had come on the loop; nil if it had not begun
	first  firstPayload // used by the link
	flow                // used by Run
}

// inbound is what the worker has sent, and how it ended.
type inbound struct {
	waiting []delivery
	bytes   int   // of the payloads in waiting
	failure error // why nothing more will come; nil if more may
	begun   bool  // the answer has begun
	left    bool  // Run has returned; nobody wants what comes
	over    bool  // the last frame has come
	told    bool  // the worker was told that nobody wants the answer
}

// taker is the worker that has the request.
type taker struct {
	began   time.Time     // when it started to wait for a worker
	sent    time.Time     // when it was given to a worker; zero before
	link    *Link         // to the worker that has it, once that is known
	claimed time.Duration // from began until that worker took it; 0 if not known
}

// notices is how others hear of the exchange.
type notices struct {
	ended    func(x *Exchange)
	wake     chan struct{} // has one element when there is something new
	out      atomic.Bool   // it is not in the registry any more
	attached chan struct{} // closed by Attach; nil if Attach is not needed
}

// passing is how the body gets to the worker, if it is not in the request's slot.
type passing struct {
	feed *feed // copies it; nil if none
	lent bool  // a worker may read the file in memory that it is in
}

// flow is the flow control in both directions.
type flow struct {
	window *window // for the request's body
	credit int     // bytes of the answer that were taken, and the worker was not told of
}

// firstPayload is room for the first frame's payload, if it is short.
type firstPayload struct {
	filled bool // it is in use
	p      [512]byte
}

// Link returns the link to the worker that has the exchange, or nil if that is not
// known yet.
func (x *Exchange) Link() *Link {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.link
}

// Over reports whether the worker sends nothing more for the exchange, or whatever it
// sends is dropped.
func (x *Exchange) Over() bool { return x.out.Load() }

// Abandoned reports whether nobody waits for the answer any more.
func (x *Exchange) Abandoned() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.left
}

// SetLink sets the link to the worker that gets the exchange.
func (x *Exchange) SetLink(l *Link) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.link = l
}

// belongs reports whether l's worker has the exchange. If that is not known, it is the
// first worker that answers.
func (x *Exchange) belongs(l *Link) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.link == nil {
		x.link = l
	}
	return x.link == l
}

// Dispatched says that the exchange was given to a worker now.
func (x *Exchange) Dispatched(now time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.sent = now
}

// Sent returns when the exchange was given to a worker, or if it was not, when it
// started to wait for one.
func (x *Exchange) Sent() time.Time {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.sentAt()
}

func (x *Exchange) sentAt() time.Time {
	if x.sent.IsZero() {
		return x.began
	}
	return x.sent
}

// Attach sets the request and its reply, for an exchange that was made before the
// request had a goroutine.
func (x *Exchange) Attach(r *gateway.Request, w gateway.Reply) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.Request, x.reply = r, w
	close(x.attached)
}

// resumed is how far an answer has come that the loop has begun.
type resumed struct{ length, sent int64 }

// Resume implements gateway.Begun. It is called before Run.
func (x *Exchange) Resume(length, sent int64, taken int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.begun, x.resume = true, &resumed{length, sent}
	x.credit += taken
}

// Owe implements gateway.Begun. It is called before Run.
func (x *Exchange) Owe(n int) { x.credit += n }

// Add implements gateway.Begun.
func (x *Exchange) Add(body []byte, end bool) {
	f := wire.Frame{Kind: wire.FrameBody, Number: x.Number}
	if end {
		f.Flags = wire.FlagEnd
	}
	x.take(nil, f, body)
}

// take hands over a frame and a body that belongs to it, in parts of at most MaxChunk
// bytes. Both are copied.
func (x *Exchange) take(l *Link, f wire.Frame, body []byte) {
	end := f.Flags & wire.FlagEnd
	for f.Flags &^= wire.FlagEnd; ; f = (wire.Frame{Kind: wire.FrameBody, Number: f.Number}) {
		n := min(len(body), wire.MaxChunk)
		if n == len(body) {
			f.Flags |= end
		}
		d := carry(f, body[:n])
		if !x.deliver(l, d) {
			d.release()
			return
		}
		if body = body[n:]; len(body) == 0 {
			return
		}
	}
}

// Claimed returns how long the exchange waited until a worker took it, as far as that is
// known.
func (x *Exchange) Claimed() time.Duration {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.claimed == 0 && !x.sent.IsZero() {
		return x.sent.Sub(x.began)
	}
	return x.claimed
}

// Run carries the worker's answer to the client. It returns nil once the response has
// been ended. Its errors are those of gateway.Backend's Serve.
func (x *Exchange) Run(ctx context.Context) error {
	a := answer{x: x, length: -1}
	if x.resume != nil {
		a.started, a.length, a.sent = true, x.resume.length, x.resume.sent
	}
	err := a.run(ctx)
	if !a.started {
		x.Request.QueueWait += x.Claimed()
	}
	if l := x.Link(); l != nil {
		x.Request.WorkerPID, x.Request.Slot = l.PID, l.Slot // by now, Request is the one of Run's caller
	}
	x.leave()
	x.Request.Body.Lent = x.Request.Body.Lent || x.keepsBody()
	x.hangUp()
	x.endFeed()
	return err
}

// keepsBody reports whether a worker may read the file in memory that the request's body
// is in, and has not finished.
func (x *Exchange) keepsBody() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.lent && !x.over
}

// Drop implements gateway.Begun. Nobody runs the exchange, since its client has gone.
func (x *Exchange) Drop() { x.leave() }

// leave drops what comes from now on. It tells the worker so, unless that has finished.
func (x *Exchange) leave() {
	x.mu.Lock()
	x.left = true
	over, waiting := x.over || x.failure != nil, x.waiting
	x.waiting = nil
	x.mu.Unlock()
	for i := range waiting {
		waiting[i].release()
	}
	if !over {
		x.cancel()
	}
}

// cancel tells the worker, once, that nobody wants the answer any more. If it is not
// known which worker has the request, that is done at the first frame of the answer.
func (x *Exchange) cancel() {
	x.mu.Lock()
	link, told := x.link, x.told
	x.told = x.told || link != nil
	x.mu.Unlock()
	if link != nil && !told {
		link.sendOp(wire.OpCancel, x.Number)
	}
}

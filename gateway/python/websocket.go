package python

import (
	"errors"
	"fmt"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/gateway/python/link"
	"github.com/gonicorn/gonicorn/gateway/websocket"
	"github.com/gonicorn/gonicorn/internal/wire"
)

const (
	// closeTime is how long a client may take to answer a close frame.
	closeTime = 2 * time.Second
	// answerTime is how long the app may take to answer what a client sent before
	// its close frame.
	answerTime = time.Second
	// lookEvery is how often to check whether a client is still there while its messages
	// wait for the app. It counts as gone if two checks in a row say so while the same
	// message waits: a close frame may be among the unread bytes.
	lookEvery = 2 * time.Second
	// overdraft is how many bytes beyond its window a worker may send: it may always
	// finish the message that it has begun.
	overdraft = 2 * wire.MaxMessage
)

// sockets are the WebSockets of a backend.
type sockets struct {
	open                 map[uint64]*webSocket // by number; without those with a goroutine
	closing, late, look  *loop.Deadlines
	pings, pongs, frames *loop.Deadlines
}

func (all *sockets) make(b *Backend) {
	all.open = map[uint64]*webSocket{}
	all.closing = b.loop.Deadlines(closeTime)
	all.late = b.loop.Deadlines(answerTime)
	all.look = b.loop.Deadlines(lookEvery)
	c := &b.env.WebSocket
	all.pings, all.pongs, all.frames = b.loop.Deadlines(c.PingInterval), b.loop.Deadlines(c.PingTimeout), b.loop.Deadlines(c.FrameTimeout)
}

// webSocket is a WebSocket that an app has accepted. It belongs to the loop. The
// client's messages go to the worker as they come, bounded by the inbox. The app's
// messages are bounded by a window.
type webSocket struct {
	b    *Backend
	call *call
	line *link.Link
	raw  gateway.Raw
	ws   *websocket.Conn
	gone func() // tells the exchange that the WebSocket is over; nil without an exchange

	progressOut
	ending
	timeouts
	inbox
}

// progressOut counts the bytes of the app's messages.
type progressOut struct {
	untaken int // bytes that the client has not taken
	owed    int // bytes that the client has taken, and the worker was not told of
}

// Takes implements gateway.Sockets. It refuses workers that share a pipe: they serve a
// WebSocket in a thread, over their own socket.
func (b *Backend) Takes(r *gateway.Request) bool {
	if b.o.Shared || b.App() != link.ASGI || r.Upgrade != "websocket" {
		return false
	}
	_, err := websocket.Check(r, false)
	return err == nil
}

// accept makes a WebSocket of a request on the loop. False means that it needs a
// goroutine.
func (b *Backend) accept(c *call, f *wire.Frame) bool {
	up, is := c.onLoop.caller.(gateway.Upgrader)
	_, fields, err := link.ParseFields(f, nil, nil)
	if !is || err != nil {
		return false
	}
	h, err := websocket.Check(c.request, b.env.WebSocket.Deflate)
	if err != nil {
		return false
	}
	_, fields = h.Answer(fields)
	s := b.newSocket(c, h, c.worker.link)
	b.sockets.open[c.number] = s
	raw := up.Upgrade(fields, s)
	if raw == nil {
		delete(b.sockets.open, c.number)
		return false
	}
	b.begun(c)
	s.begin(raw)
	return true
}

func (b *Backend) newSocket(c *call, h websocket.Handshake, l *link.Link) *webSocket {
	s := &webSocket{b: b, call: c, line: l}
	s.ws = websocket.NewConn(h, &b.env.WebSocket, s)
	s.end.Owner, s.looks.Owner, s.life.Owner = s, s, s
	return s
}

// begin starts to take the client's messages.
func (s *webSocket) begin(raw gateway.Raw) {
	s.raw = raw
	s.b.upgraded(s.call)
	s.b.env.Sockets.Add(s, func() { s.b.loop.Post(s.restart) })
	s.arm()
	raw.Resume()
}

// Feed implements gateway.Upgraded.
func (s *webSocket) Feed(p []byte) int {
	if s.stage == asked || s.stage == over {
		return len(p)
	}
	if s.busy != nil {
		s.after(nil)
		return len(p)
	}
	stalled := s.ws.Stalled()
	n, err := s.ws.Feed(p)
	s.after(err)
	if s.ws.Stalled() && !stalled && s.stage != over {
		s.stuck++
		s.away = 0
		s.b.sockets.look.Arm(&s.looks)
	}
	return n
}

// after does what has to be done after a call of s.ws, which returned err.
func (s *webSocket) after(err error) {
	if err != nil {
		var closed *websocket.CloseError
		errors.As(err, &closed)
		s.leave(closed)
		return
	}
	if s.busy != nil {
		s.leave(s.ws.End(s.busy))
		return
	}
	s.arm()
	s.say()
}

// say makes the connection send what s.ws has to send.
func (s *webSocket) say() {
	if len(s.ws.Unsent()) > 0 {
		s.raw.Soon()
	}
}

// Unsent implements gateway.Upgraded.
func (s *webSocket) Unsent() []byte { return s.ws.Unsent() }

// Sent implements gateway.Upgraded. It counts all bytes as bytes of messages, although
// some are not. That evens out once everything was sent.
func (s *webSocket) Sent(n int) {
	s.ws.Sent(n)
	if len(s.ws.Unsent()) == 0 {
		n = s.untaken
	}
	n = min(n, s.untaken)
	s.untaken -= n
	s.owed += n
	if s.owed >= wire.Window/2 && !s.ended {
		s.post(64, func(m *wire.Marshal) {
			m.Tuple(3)
			m.Int(wire.OpCredit)
			m.Uint(s.call.number)
			m.Int(int64(s.owed))
		})
		s.owed = 0
	}
}

// Lost implements gateway.Upgraded.
func (s *webSocket) Lost() { s.leave(s.ws.Lost()) }

// Frame takes a frame from the worker.
func (s *webSocket) Frame(f *wire.Frame) {
	if s.stage == over || s.ended {
		return
	}
	switch f.Kind {
	case wire.FrameText, wire.FrameBinary:
		if s.untaken += len(f.Payload); s.untaken > wire.Window+overdraft {
			s.fail(fmt.Errorf("more than %d bytes beyond what was asked for: %w", overdraft, link.ErrMalformed))
			return
		}
		s.ws.Message(f.Kind == wire.FrameText, f.Payload, f.Flags&wire.FlagMore != 0)
		s.say()
	case wire.FrameClose:
		if !f.End() {
			s.goodbye()
			return
		}
		s.hangUp(int(f.Status), string(f.Payload))
	case wire.FrameCredit:
		s.give(int(f.FieldBytes))
		s.resume()
	case wire.FrameFail:
		err := errors.New("the app failed")
		if why := string(f.Payload); why != "" {
			err = fmt.Errorf("%s: %w", why, link.ErrMalformed)
			s.complain(err)
		}
		s.fail(err)
	default:
		err := fmt.Errorf("messages out of order: %w", link.ErrMalformed)
		s.complain(err)
		s.fail(err)
	}
}

// complain logs what the app did wrong. The worker is not ended for it.
func (s *webSocket) complain(err error) {
	r := s.call.request
	s.b.env.Log.Error("app sent a malformed answer: "+err.Error(), "pid", s.line.PID, "request", r.ID, "method", r.Method, "path", r.Path)
}

func (s *webSocket) held(now time.Time) wire.InFlight {
	r := s.call.request
	return wire.InFlight{
		Number: s.call.number, ID: r.ID, Method: r.Method, Path: r.Path, Age: now.Sub(s.call.sent), Begun: true,
		Slot: s.line.Slot, PID: s.line.PID,
	}
}

// post sends the worker a tuple of at most n bytes.
func (s *webSocket) post(n int, encode func(m *wire.Marshal)) {
	if m := s.call.place; m != nil && m.own != nil {
		encode(m.batches.tuple(n))
		return
	}
	s.line.Tell(encode)
}

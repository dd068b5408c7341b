package python

import (
	"context"
	"errors"
	"time"

	"github.com/gonicorn/gonicorn/gateway/budget"
	"github.com/gonicorn/gonicorn/gateway/websocket"
	"github.com/gonicorn/gonicorn/internal/wire"
)

const (
	// freeInbox is how many bytes a WebSocket may send to the app unread without asking
	// the budget. It is enough that small messages never wait for large ones of other
	// clients. The runner says that messages were taken before they reach as much.
	freeInbox = 32 << 10
	// busyTime is how long a message waits for memory that others hold.
	busyTime = time.Minute
	// inflateMost is how many parts of a message are decompressed in one turn of the
	// loop.
	inflateMost = 2
	// tupleMost is the largest number of bytes that a tuple has besides its part.
	tupleMost = 64
	// crowdTime is how often to check a worker's own socket that has too much to send,
	// since nothing signals that it has less.
	crowdTime = 10 * time.Millisecond
)

// inbox bounds the bytes of a WebSocket's messages that the app has not taken. A new
// message is read only while they are fewer than freeInbox. Bytes beyond freeInbox are
// taken from the budget.
type inbox struct {
	unread  int             // bytes that the app has not taken
	charged int             // how many of them were taken from the budget
	account *budget.Account // nil before the first use, or without a bound
	packed  *budget.Account // for an incomplete compressed message; nil like account
	owned   int             // bytes that it has waited for and got from packed
	turn    bool            // it has a place in Config.Inflating
	turns   int             // parts decompressed in this turn of the loop
	closed  bool            // messages are not wanted any more

	waiting bool                  // a goroutine waits for memory or a place, or a timer runs
	cancel  context.CancelFunc    // ends the waiting; nil if no goroutine waits
	busy    *websocket.CloseError // why the WebSocket has to end; nil if it has not
}

// Ready implements websocket.Sink. Once messages are not wanted any more, reading goes
// on for the client's close frame.
func (s *webSocket) Ready() bool { return s.closed || s.unread < freeInbox && !s.crowded() }

// crowded reports whether too much waits for the worker. If so, it makes the WebSocket
// continue when there is less.
func (s *webSocket) crowded() bool {
	m := s.call.place
	switch {
	case m != nil && m.own != nil:
		if !m.batches.crowded() {
			return false
		}
		m.batches.crowd = append(m.batches.crowd, s)
	case !s.line.Crowded():
		return false
	case !s.waiting:
		s.waiting = true
		s.b.loop.After(crowdTime, func() {
			s.waiting = false
			s.resume()
		})
	}
	return true
}

// resume continues to read what the client has sent.
func (s *webSocket) resume() {
	if s.stage != over && s.ws.Stalled() {
		s.raw.Resume()
	}
}

// Room implements websocket.Sink.
func (s *webSocket) Room(n int) bool {
	if s.closed {
		return true
	}
	if s.crowded() {
		return false
	}
	more := max(s.unread+n-freeInbox, 0) - s.charged
	if s.b.env.Inbox != nil && more > 0 {
		if s.account == nil {
			s.account = s.b.env.Inbox.Account()
		}
		if !s.account.Try(int64(more)) {
			s.await(s.account, more, func() { s.charged += more })
			return false
		}
		s.charged += more
	}
	s.unread += n
	return true
}

// Hold implements websocket.Sink.
func (s *webSocket) Hold(n int) bool {
	memory := s.b.env.WebSocket.Memory
	if memory == nil {
		return true
	}
	if s.packed == nil {
		s.packed = memory.Account()
	}
	if s.owned > 0 { // it has waited for these bytes
		s.owned = 0
		return true
	}
	if s.packed.Try(int64(n)) {
		return true
	}
	s.await(s.packed, n, func() { s.owned = n })
	return false
}

// Inflate implements websocket.Sink.
func (s *webSocket) Inflate() bool {
	places := s.b.env.WebSocket.Inflating
	if places == nil || s.turn {
		return true
	}
	select {
	case places <- struct{}{}:
		s.turn = true
		return true
	default:
	}
	s.wait(func(ctx context.Context) error {
		select {
		case places <- struct{}{}:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}, func() { s.turn = true })
	return false
}

// Turn implements websocket.Sink.
func (s *webSocket) Turn() bool {
	if places := s.b.env.WebSocket.Inflating; places != nil && len(places) == cap(places) && s.raw.HungUp() { // others need the memory
		s.lose()
		return false
	}
	if s.turns++; s.turns <= inflateMost {
		return true
	}
	s.b.loop.Post(func() {
		s.turns = 0
		s.resume()
	})
	return false
}

// Released implements websocket.Sink.
func (s *webSocket) Released() {
	if s.packed != nil {
		s.packed.Close()
		s.owned = 0
	}
	if s.turn {
		s.turn = false
		<-s.b.env.WebSocket.Inflating
	}
}

// Part implements websocket.Sink.
func (s *webSocket) Part(p websocket.Part) {
	if s.closed {
		return
	}
	if m := s.call.place; m != nil && m.own != nil {
		encodePart(m.batches.tuple(len(p.Data)+tupleMost), s.call.number, p)
		return
	}
	s.line.Tell(func(m *wire.Marshal) { encodePart(m, s.call.number, p) })
}

func encodePart(m *wire.Marshal, number uint64, p websocket.Part) {
	if !p.Last {
		m.Tuple(3)
		m.Int(wire.OpPart)
		m.Uint(number)
		m.ByteSlice(p.Data)
		return
	}
	m.Tuple(4)
	if p.Text {
		m.Int(wire.OpText)
	} else {
		m.Int(wire.OpBinary)
	}
	m.Uint(number)
	if p.Text && p.Size == len(p.Data) {
		m.Text(p.Data)
	} else {
		m.ByteSlice(p.Data)
	}
	m.Int(int64(p.Size))
}

// await waits for n bytes of an account. If they are not free in time, the WebSocket
// ends.
func (s *webSocket) await(a *budget.Account, n int, had func()) {
	if s.raw.HungUp() {
		s.lose()
		return
	}
	s.wait(func(ctx context.Context) error {
		limited, cancel := context.WithTimeoutCause(ctx, busyTime, &websocket.CloseError{Code: websocket.CodeTryAgain, Reason: "out of memory for messages"})
		defer cancel()
		return a.Take(limited, int64(n))
	}, had)
}

// lose ends the WebSocket, since its client has gone, as soon as s.ws has returned.
func (s *webSocket) lose() { s.busy = &websocket.CloseError{Code: websocket.CodeAbnormal} }

// wait calls take in a goroutine, which may wait for what others hold. Then had is
// called on the loop, and reading continues.
func (s *webSocket) wait(take func(ctx context.Context) error, had func()) {
	if s.waiting {
		return
	}
	s.waiting = true
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	go func() {
		err := take(ctx)
		cancel()
		s.b.loop.Post(func() {
			s.waiting, s.cancel = false, nil
			if err == nil {
				had()
			}
			if s.closed {
				s.settle()
			}
			if s.stage == over {
				s.Released()
				return
			}
			if err != nil && !s.closed && !errors.As(err, &s.busy) {
				s.lose()
			}
			s.resume()
		})
	}()
}

// give says that the app has taken n bytes.
func (s *webSocket) give(n int) {
	s.unread = max(s.unread-n, 0)
	s.settle()
}

// settle returns to the budget what is not needed any more.
func (s *webSocket) settle() {
	spare := s.charged - max(s.unread-freeInbox, 0)
	if s.closed {
		spare = s.charged
	}
	if spare > 0 && s.account != nil {
		s.charged -= spare
		s.account.Give(int64(spare))
	}
}

// close stops taking messages, and gives the budget back.
func (s *webSocket) close() {
	if s.closed {
		return
	}
	s.closed = true
	if s.cancel != nil {
		s.cancel()
	}
	s.settle()
}

package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/websocket"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// closeTime is how long a client may take to answer a close frame.
const closeTime = 2 * time.Second

// webSocket is a WebSocket that the app has accepted: messages from the client go
// to the worker as they come, within an inbox.
type webSocket struct {
	conn   *websocket.Conn
	number uint64
	link   *Link
	inbox  *inbox
	done   sync.WaitGroup
	told   sync.Once // the app that it is over
	gone   hangup

	asked    atomic.Bool   // the client has sent a close frame
	answer   chan struct{} // closed when it is to be answered: the app has been told
	answered sync.Once
}

// answerTime is how long the app may take to answer what a client sent before
// its close frame.
const answerTime = time.Second

// goodbye has the client's close frame answered.
func (s *webSocket) goodbye() { s.answered.Do(func() { close(s.answer) }) }

// accept upgrades the client's connection and starts reading from it.
func (a *answer) accept(ctx context.Context, f *wire.Frame) error {
	x := a.x
	if a.started || a.socket != nil || x.Request.Upgrade != "websocket" {
		return errOrder
	}
	_, fields, err := ParseFields(f, nil)
	if err != nil {
		return err
	}
	handshake, err := websocket.Check(x.Request, x.env.WebSocket.Deflate)
	if err != nil {
		return fmt.Errorf("accept: %w: %w", err, ErrMalformed) // encode has checked it before
	}
	status, fields := handshake.Answer(fields)
	conn, err := x.reply.Upgrade(status, fields)
	if err != nil {
		return err
	}
	a.started = true
	s := &webSocket{
		conn: websocket.NewConn(conn, handshake, x.env.WebSocket), number: x.Number, link: x.Link(),
		inbox: newInbox(ctx, x.env.Inbox), answer: make(chan struct{}),
	}
	s.inbox.watch, s.inbox.gone = s.watch, s.conn.HungUp
	a.socket = s
	if x.Upgraded != nil {
		x.Upgraded()
	}
	x.env.Sockets.Add(s.conn, s.restart)
	s.done.Add(1)
	go func() {
		defer s.done.Done()
		closed := s.pump(ctx)
		s.asked.Store(closed.Asked)
		s.tell(closed)
		if closed.Asked {
			late := time.NewTimer(answerTime)
			defer late.Stop()
			select {
			case <-s.answer:
			case <-late.C:
			case <-ctx.Done():
			}
			s.conn.Answer(closed)
		}
		x.fail(errSocketOver)
	}()
	return nil
}

// errSocketOver says that the client has left a WebSocket: whatever its app
// does from now on, nobody waits for it.
var errSocketOver = errors.New("WebSocket is over")

// pump carries the client's messages to the worker until the client closes,
// and returns how it did.
func (s *webSocket) pump(ctx context.Context) *websocket.CloseError {
	for {
		s.inbox.ready() // once nobody wants messages any more, it is the client's close frame that is read
		if ctx.Err() != nil {
			return &websocket.CloseError{Code: websocket.CodeAbnormal}
		}
		err := s.conn.Read(ctx, func(p websocket.Part) error {
			wanted, err := s.inbox.take(len(p.Data))
			if wanted {
				s.link.out.room(s.inbox.ctx, s.watch)
				s.pass(p)
			}
			return err
		})
		if err != nil {
			closed := &websocket.CloseError{Code: websocket.CodeAbnormal}
			if errors.As(err, &closed) && !closed.Asked {
				_ = s.conn.WriteClose(closed.Code, closed.Reason) // says nothing if a close frame has gone out
			}
			return closed
		}
	}
}

// pass passes a part of a message on to the worker.
func (s *webSocket) pass(p websocket.Part) {
	whole := p.Size == len(p.Data)
	s.link.out.add(nil, func(m *wire.Marshal) {
		if !p.Last {
			m.Tuple(3)
			m.Int(wire.OpPart)
			m.Uint(s.number)
			m.ByteSlice(p.Data)
			return
		}
		m.Tuple(4)
		if p.Text {
			m.Int(wire.OpText)
		} else {
			m.Int(wire.OpBinary)
		}
		m.Uint(s.number)
		if p.Text && whole {
			m.String(string(p.Data))
		} else {
			m.ByteSlice(p.Data)
		}
		m.Int(int64(p.Size))
	})
}

// tell tells the app, once, that the WebSocket is over.
func (s *webSocket) tell(closed *websocket.CloseError) {
	s.told.Do(func() {
		s.link.out.add(nil, func(m *wire.Marshal) {
			m.Tuple(5)
			m.Int(wire.OpClosed)
			m.Uint(s.number)
			m.Int(int64(closed.Code))
			m.String(closed.Reason)
			if closed.Asked {
				m.Int(1)
			} else {
				m.Int(0)
			}
		})
	})
}

// restart closes the WebSocket because the gateway goes.
func (s *webSocket) restart() {
	s.tell(&websocket.CloseError{Code: websocket.CodeRestart})
	_ = s.conn.WriteClose(websocket.CodeRestart, "") // it may be gone
	s.inbox.close()
	time.AfterFunc(closeTime, func() { _ = s.conn.Abort() })
}

// message carries one of the app's messages, or its goodbye, to the client.
func (a *answer) message(f *wire.Frame) error {
	if a.socket == nil {
		return errOrder
	}
	if f.Kind == wire.FrameClose {
		if !f.End() {
			a.socket.goodbye()
			return nil
		}
		if !a.socket.asked.Load() {
			_ = a.socket.conn.WriteClose(int(f.Status), string(f.Payload)) // it may be gone
		}
		return errEnded
	}
	err := a.socket.conn.Write(f.Kind == wire.FrameText, f.Payload, f.Flags&wire.FlagMore != 0)
	if err != nil && !errors.Is(err, net.ErrClosed) {
		a.socket.broken()
	}
	return nil
}

// broken ends a WebSocket whose client cannot be written to: the pump tells the
// app.
func (s *webSocket) broken() {
	_ = s.conn.Abort()
	s.inbox.close()
}

// closeSocket ends the connection. The client gets a while to answer the close
// frame.
func (a *answer) closeSocket() {
	s := a.socket
	if s == nil {
		return
	}
	s.goodbye()
	if !s.asked.Load() {
		_ = s.conn.WriteClose(websocket.CodeInternal, "") // says nothing if a close frame has gone out
	}
	s.inbox.close()
	abort := time.AfterFunc(closeTime, func() { _ = s.conn.Abort() })
	s.done.Wait()
	abort.Stop()
	a.x.env.Sockets.Remove(s.conn)
	s.conn.Linger()
}

// refuseUpgrade answers a WebSocket handshake that is none.
func refuseUpgrade(w gateway.Reply, err error) error {
	status, fields := 400, []gateway.Field{{Name: "content-type", Value: "text/plain; charset=utf-8"}}
	if errors.Is(err, websocket.ErrVersion) {
		status, fields = 426, append(fields, gateway.Field{Name: "sec-websocket-version", Value: "13"})
	}
	if errors.Is(err, errNoSockets) {
		status = 501
	}
	body := err.Error() + "\n"
	if err := w.Head(status, "", fields, int64(len(body))); err != nil {
		return err
	}
	if _, err := w.Write([]byte(body)); err != nil {
		return err
	}
	return w.End(nil)
}

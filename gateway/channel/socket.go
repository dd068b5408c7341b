package channel

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/websocket"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// closeTime is how long a client may take to answer a close frame.
const closeTime = 2 * time.Second

// socket is a WebSocket that the app has accepted: messages from the client go
// to the worker as they come, within a window.
type socket struct {
	conn   *websocket.Conn
	window *window
	done   sync.WaitGroup
}

// accept upgrades the client's connection and starts reading from it.
func (a *answer) accept(ctx context.Context, f *wire.Frame) error {
	x := a.x
	if a.started || a.socket != nil || x.Request.Upgrade != "websocket" {
		return errOrder
	}
	link := x.Link()
	_, fields, err := parseFields(f, nil)
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
	s := &socket{conn: websocket.NewConn(conn, handshake, x.env.WebSocket), window: x.openWindow()}
	a.socket = s
	s.done.Add(1)
	go func() { defer s.done.Done(); s.pump(ctx, x.Number, link) }()
	return nil
}

// pump carries the client's messages to the worker until the client closes.
func (s *socket) pump(ctx context.Context, number uint64, link *Link) {
	for {
		text, p, err := s.conn.Read()
		if err != nil {
			closed := &websocket.CloseError{Code: websocket.CodeAbnormal}
			errors.As(err, &closed)
			link.out.add(nil, func(m *wire.Marshal) {
				m.Tuple(4)
				m.Int(wire.OpClosed)
				m.Uint(number)
				m.Int(int64(closed.Code))
				m.String(closed.Reason)
			})
			return
		}
		if !s.window.take(ctx, len(p)) {
			if ctx.Err() != nil {
				return
			}
			continue // the app has closed: what comes before the client's close frame is dropped
		}
		link.out.add(nil, func(m *wire.Marshal) {
			m.Tuple(3)
			if text {
				m.Int(wire.OpText)
			} else {
				m.Int(wire.OpBinary)
			}
			m.Uint(number)
			if text {
				m.String(string(p))
			} else {
				m.ByteSlice(p)
			}
		})
	}
}

// message carries one of the app's messages, or its goodbye, to the client.
func (a *answer) message(f *wire.Frame) error {
	if a.socket == nil {
		return errOrder
	}
	if f.Kind == wire.FrameClose {
		_ = a.socket.conn.WriteClose(int(f.Status), string(f.Payload)) // it may be gone
		if f.End() {
			return errEnded
		}
		return nil
	}
	err := a.socket.conn.Write(f.Kind == wire.FrameText, f.Payload, f.Flags&wire.FlagMore != 0)
	if err != nil {
		return nil //nolint:nilerr // the pump tells the app that the client is gone
	}
	return nil
}

// closeSocket ends the connection. The client gets a while to answer the close
// frame: closing with its bytes unread would reset the connection, and the
// frame could be lost (RFC 6455 section 7.1.1).
func (a *answer) closeSocket() {
	s := a.socket
	if s == nil {
		return
	}
	_ = s.conn.WriteClose(websocket.CodeInternal, "") // says nothing if a close frame has gone out
	s.window.close()
	abort := time.AfterFunc(closeTime, func() { _ = s.conn.Abort() })
	s.done.Wait()
	abort.Stop()
	_ = s.conn.Abort()
}

// refuseUpgrade answers a WebSocket handshake that is none.
func refuseUpgrade(w gateway.Reply, err error) error {
	status, fields := 400, []gateway.Field{{Name: "content-type", Value: "text/plain; charset=utf-8"}}
	if errors.Is(err, websocket.ErrVersion) {
		status, fields = 426, append(fields, gateway.Field{Name: "sec-websocket-version", Value: "13"})
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

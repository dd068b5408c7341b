package link

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/websocket"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// closeTime is how long a client may take to answer a close frame.
const closeTime = 2 * time.Second

// answerTime is how long the app may take to complete a head that it writes itself, or
// to answer a close frame after it has finished the request.
const answerTime = time.Second

// Socket is a WebSocket with a request that has a goroutine. Frames from its worker come
// through the exchange.
type Socket interface {
	// Frame takes a message of the app, its close, its failure, or a credit.
	Frame(f *wire.Frame)
	// End ends the WebSocket, if it has not ended, and waits until its connection is
	// closed. err is how the exchange has ended.
	End(err error)
}

// accept upgrades the client's connection.
func (a *answer) accept(_ context.Context, f *wire.Frame) error {
	x := a.x
	if a.started || a.socket != nil || x.Request.Upgrade != "websocket" {
		return errOrder
	}
	_, fields, err := ParseFields(f, nil, nil)
	if err != nil {
		return err
	}
	handshake, err := websocket.Check(x.Request, x.env.WebSocket.Deflate)
	if err != nil {
		return fmt.Errorf("accept: %w: %w", err, ErrMalformed) // cannot happen: refuse has checked it
	}
	status, fields := handshake.Answer(fields)
	conn, err := x.reply.Upgrade(status, fields)
	if err != nil {
		return err
	}
	a.started = true
	a.socket = x.Upgraded(conn, &handshake, func() { x.fail(errSocketOver) })
	return nil
}

// errSocketOver says that the client has left a WebSocket. The exchange does not wait
// for the app.
var errSocketOver = errors.New("WebSocket is over")

// message passes a message of the app, its close, or its failure, to the WebSocket.
func (a *answer) message(f *wire.Frame) error {
	if a.socket == nil {
		return errOrder
	}
	a.socket.Frame(f)
	if f.End() {
		return errEnded
	}
	return nil
}

// refuseUpgrade answers a WebSocket handshake that is invalid or that the app does not
// support.
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

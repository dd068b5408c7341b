package python

import (
	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/python/link"
	"github.com/gonicorn/gonicorn/gateway/websocket"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// The stages of a WebSocket.
const (
	talking = iota
	asked   // the client has sent a close frame; it is answered when the app has answered earlier messages
	closing // a close frame was sent, and the client has not answered it
	over
)

// ending is how a WebSocket ends.
type ending struct {
	stage int
	left  *websocket.CloseError // how the client has left; nil before
	told  bool                  // the app was told that it is over
	ended bool                  // the app sends nothing more
	err   error                 // the worker's fault that ended it
}

// leave is called when the client sends nothing more. If it has sent a close frame, that
// is answered after the app has answered earlier messages.
func (s *webSocket) leave(closed *websocket.CloseError) {
	if s.stage == over {
		return
	}
	s.tell(closed)
	if closed.Asked && s.stage == talking {
		s.stage, s.left = asked, closed
		s.b.sockets.late.Arm(&s.end)
		s.say()
		return
	}
	s.finish()
}

// tell tells the app, once, that the WebSocket is over.
func (s *webSocket) tell(closed *websocket.CloseError) {
	if s.told || s.ended {
		return
	}
	s.told = true
	s.post(len(closed.Reason)+64, func(m *wire.Marshal) {
		m.Tuple(5)
		m.Int(wire.OpClosed)
		m.Uint(s.call.number)
		m.Int(int64(closed.Code))
		m.String(closed.Reason)
		if closed.Asked {
			m.Int(1)
		} else {
			m.Int(0)
		}
	})
}

// goodbye answers the client's close frame, if it has not been answered.
func (s *webSocket) goodbye() {
	if s.stage == asked {
		s.ws.Answer(s.left)
		s.finish()
	}
}

// quit sends a close frame, for the app or in its place.
func (s *webSocket) quit(code int, reason string) {
	s.close()
	if s.stage == asked {
		s.goodbye()
		return
	}
	s.ws.Close(code, reason)
	if s.stage != closing {
		s.stage = closing
		s.b.sockets.closing.Arm(&s.end)
	}
	s.say()
	s.raw.Resume() // to read the client's close frame
}

// hangUp ends the WebSocket when nothing more comes from the app.
func (s *webSocket) hangUp(code int, reason string) {
	if s.stage == over {
		return
	}
	s.ended = true
	s.b.end(s.call)
	s.quit(code, reason)
}

// fail ends the WebSocket because of a fault of its worker.
func (s *webSocket) fail(err error) {
	s.broken(&gateway.WorkerError{Slot: s.line.Slot, PID: s.line.PID, Err: err})
}

func (s *webSocket) broken(err error) {
	if s.stage == over {
		return
	}
	s.err = err
	s.hangUp(websocket.CodeInternal, "")
}

// restart closes the WebSocket because the gateway ends.
func (s *webSocket) restart() {
	if s.stage == over {
		return
	}
	s.tell(&websocket.CloseError{Code: websocket.CodeRestart})
	s.quit(websocket.CodeRestart, "")
}

// finish ends the WebSocket, even if the app goes on.
func (s *webSocket) finish() {
	if s.stage == over {
		return
	}
	s.stage = over
	s.ws.Lost() // frees what it holds
	s.close()
	s.life.Disarm()
	if s.cancel != nil {
		s.cancel()
	}
	s.end.Disarm()
	s.looks.Disarm()
	s.b.env.Sockets.Remove(s)
	delete(s.b.sockets.open, s.call.number)
	if !s.ended {
		s.post(32, func(m *wire.Marshal) {
			m.Tuple(2)
			m.Int(wire.OpCancel)
			m.Uint(s.call.number)
		})
		if s.gone == nil {
			s.b.end(s.call)
		}
	}
	if s.gone != nil {
		s.gone()
	}
	s.raw.End(s.err)
}

// loseSockets ends the WebSockets of a worker that is gone.
func (b *Backend) loseSockets(m *member) {
	for _, s := range b.sockets.open {
		if s.call.place == m {
			s.broken(&gateway.WorkerError{Slot: m.worker.Slot, PID: m.pid, Died: true, Err: link.ErrDied})
		}
	}
}

package python

import (
	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/gateway/websocket"
)

// timeouts are a WebSocket's timeouts.
type timeouts struct {
	life  loop.Deadline // for what Conn.Awaits says: a frame, or the time of pings
	end   loop.Deadline // of the stages asked and closing
	looks loop.Deadline // for the next check of a client with messages that wait
	appWaits
}

// appWaits counts how often a WebSocket has started to wait for its app.
type appWaits struct {
	stuck int // waits so far
	seen  int // stuck at the last check
	away  int // checks in a row at which the client was gone
}

// Expired implements loop.Expirer.
func (s *webSocket) Expired(d *loop.Deadline) {
	switch {
	case d == &s.looks:
		s.lookOut()
	case d == &s.life:
		s.after(s.ws.Late(len(s.ws.Unsent()) > 0))
	case s.stage == asked:
		s.goodbye()
	default:
		s.finish()
	}
}

// lookOut checks whether a client with waiting messages is still there.
func (s *webSocket) lookOut() {
	if !s.ws.Stalled() || s.stage == over {
		return
	}
	if s.raw.HungUp() && s.seen == s.stuck {
		s.away++
	} else {
		s.away = 0
		if s.raw.HungUp() {
			s.away = 1
		}
	}
	if s.seen = s.stuck; s.away >= 2 {
		s.Lost()
		return
	}
	s.b.sockets.look.Arm(&s.looks)
}

// arm starts the timeout of what Conn.Awaits says.
func (s *webSocket) arm() {
	switch s.ws.Awaits() {
	case websocket.Nothing:
		s.life.Disarm()
	case websocket.Frame:
		s.b.sockets.frames.Arm(&s.life)
	case websocket.Pong:
		s.b.sockets.pongs.Arm(&s.life)
	case websocket.Silence:
		s.b.sockets.pings.Arm(&s.life)
	}
}

package link

import (
	"time"

	"github.com/gonicorn/gonicorn/internal/wire"
)

// Held is a request that a worker has in hand, for a diagnosis.
type Held = wire.Held

// Held describes the exchange as of now.
func (x *Exchange) Held(now time.Time) Held {
	x.mu.Lock()
	r := x.Request
	h := Held{Number: x.Number, ID: r.ID, Method: r.Method, Path: r.Path, Age: now.Sub(x.sentAt()), Begun: x.begun}
	x.mu.Unlock()
	if l := x.Link(); l != nil {
		h.Slot, h.PID = l.Slot, l.PID
	}
	return h
}

package link

import (
	"time"

	"github.com/gonicorn/gonicorn/internal/wire"
)

// InFlight is a request that a worker has in flight, for a diagnosis.
type InFlight = wire.InFlight

// InFlight describes the exchange at a time.
func (x *Exchange) InFlight(now time.Time) InFlight {
	x.mu.Lock()
	r := x.Request
	h := InFlight{Number: x.Number, ID: r.ID, Method: r.Method, Path: r.Path, Age: now.Sub(x.sentAt()), Begun: x.begun}
	x.mu.Unlock()
	if l := x.Link(); l != nil {
		h.Slot, h.PID = l.Slot, l.PID
	}
	return h
}

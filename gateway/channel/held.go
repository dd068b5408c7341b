package channel

import "time"

// Held is a request that a worker has in hand, for a diagnosis.
type Held struct {
	Number    uint64 // as in the worker's claims
	ID        string // X-Request-ID
	Method    string
	Path      string
	Slot, PID int // 0 and 0: no worker is known to have it
	Age       time.Duration
}

// Held describes the exchange as of now.
func (x *Exchange) Held(now time.Time) Held {
	h := Held{Number: x.Number, ID: x.Request.ID, Method: x.Request.Method, Path: x.Request.Path, Age: now.Sub(x.Sent)}
	if l := x.Link(); l != nil {
		h.Slot, h.PID = l.Slot, l.PID
	}
	return h
}

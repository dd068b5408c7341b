package relay

import (
	"time"

	"github.com/gonicorn/gonicorn/gateway"
)

// keepBody is how many bytes of a request's body have memory that is kept.
const keepBody = 4 << 10

// Call is a connection's end of requests, one after another. It implements
// gateway.Call.
type Call struct {
	r      *Relay
	caller Caller
	trip   *trip // of the request that was submitted last; nil once it was given up
	shown
}

// shown is what the backend tells about a request, for the logs.
type shown struct {
	began, sent time.Time
	slot, pid   int
}

// Submit implements gateway.Call.
func (c *Call) Submit(from gateway.Caller, q *gateway.Request) {
	c.caller = from.(Caller)
	if c.trip == nil || c.trip.promoting {
		c.trip = &trip{r: c.r, call: c} // the backend may still use the old one
	}
	now := c.r.o.Here.Now()
	c.shown = shown{began: now, sent: now, slot: -1}
	c.trip.take(q)
	c.r.asks.add(message{kind: submitted, trip: c.trip})
}

// Promote implements gateway.Call. The backend calls Promote later, or answers before
// that.
func (c *Call) Promote() {
	if t := c.trip; t != nil && !t.promoting {
		t.promoting = true
		c.r.asks.add(message{kind: promoting, trip: t})
	}
}

// Abandon implements gateway.Call.
func (c *Call) Abandon() {
	if t := c.trip; t != nil {
		c.trip = nil
		c.r.asks.add(message{kind: abandoned, trip: t})
	}
}

// Taken implements gateway.Call.
func (c *Call) Taken(n int) {
	if t := c.trip; t != nil {
		t.told += n
		c.r.asks.add(message{kind: taken, trip: t, n: n})
	}
}

// Began implements gateway.Call.
func (c *Call) Began() time.Time { return c.began }

// Sent implements gateway.Call.
func (c *Call) Sent() time.Time { return c.sent }

// Worker implements gateway.Call.
func (c *Call) Worker() (slot, pid int) { return c.slot, c.pid }

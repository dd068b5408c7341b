package python

import (
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/gateway/python/link"
	"github.com/gonicorn/gonicorn/internal/fifo"
)

// Call implements gateway.Call.
type Call struct {
	caller gateway.Caller
	b      *Backend
	call   call
}

// NewCall implements gateway.Looped.
func (b *Backend) NewCall() gateway.Call { return &Call{b: b} }

// Submit implements gateway.Call.
func (d *Call) Submit(c gateway.Caller, r *gateway.Request) {
	d.caller = c
	d.call = call{number: d.b.registry.NextNumber(), request: r, onLoop: d, socket: r.Upgrade == "websocket"}
	d.b.submit(&d.call)
}

// Worker implements gateway.Call.
func (d *Call) Worker() (slot, pid int) {
	if m := d.call.worker; m != nil {
		return m.worker.Slot, m.pid
	}
	return -1, 0
}

// Began implements gateway.Call.
func (d *Call) Began() time.Time { return d.call.began }

// Sent implements gateway.Call.
func (d *Call) Sent() time.Time { return d.call.sent }

// stage is where a call is.
type stage int

const (
	idle    stage = iota // nowhere
	waits                // in Backend.waiting, for a worker
	given                // to a worker, in a slot
	fetched              // to a worker, over its socket; its slot in memory is free
)

// progress is how far the loop has come with an answer.
type progress struct {
	begun   bool
	untaken int // bytes of the body that the loop holds
	owed    int // bytes that the client has taken, and the worker does not know of
}

// call is one request as the dispatcher knows it. It belongs to the loop.
type call struct {
	b        *Backend
	number   uint64
	request  *gateway.Request
	exchange *link.Exchange // its goroutine's; nil while the loop serves it
	onLoop   *Call          // nil once it has a goroutine
	socket   bool           // it is for a WebSocket
	upgraded bool           // and has become one that takes no request's place

	stage     stage
	began     time.Time
	sent      time.Time
	slot      int     // in shared memory, while it is given
	worker    *member // who has it, where that is known
	place     *member // whose place it takes; nil is one of those who share a pipe
	order     uint64  // in the shared pipe, from 1; 0 elsewhere
	takenBack bool    // it was taken back, if nobody has begun it
	progress

	late loop.Deadline
	turn fifo.Place[*call] // in Backend.waiting
}

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

// stage says where a call is.
type stage int

const (
	idle    stage = iota // nowhere
	waits                // waits for a worker in Backend.waiting
	given                // in a slot in shared memory, for a worker
	fetched              // at a worker, which got it over its socket; the slot is free
)

// progress is how far an answer has come on the loop.
type progress struct {
	begun   bool
	untaken int // bytes of the body that the client has not taken
	owed    int // bytes that the client has taken, and the worker was not told of
}

// call is one request as the dispatcher knows it. It belongs to the loop.
type call struct {
	b        *Backend
	number   uint64
	request  *gateway.Request
	exchange *link.Exchange // for its goroutine; nil while the loop serves it
	onLoop   *Call          // nil once it has a goroutine
	socket   bool           // it is for a WebSocket
	upgraded bool           // it is a WebSocket, and does not count as a request any more

	stage stage
	began time.Time
	sent  time.Time
	placement
	progress

	late loop.Deadline
	turn fifo.Place[*call] // in Backend.waiting
}

// placement is where the request is.
type placement struct {
	slot      int     // in shared memory, while it is given
	worker    *member // the worker that has it, if that is known
	place     *member // the worker with the place it takes; nil for workers that share a pipe
	order     uint64  // its number in the shared pipe, from 1; 0 if it is not there
	takenBack bool    // workers skip it if none has begun it
}

package python

import (
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/channel"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/gateway/shm"
	"github.com/gonicorn/gonicorn/internal/fifo"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// Direct is whoever serves a request on the loop's thread, without a goroutine.
type Direct interface {
	// Answer takes the head of an answer, which is valid during the call only, and
	// the first part of its body; all of it where f ends. False means that it is
	// an answer which needs a goroutine: nothing has been sent, and the part is
	// still the caller's.
	Answer(f *wire.Frame, p Part) bool
	// Part takes a further part of the body; end says that it is the last. False
	// means the same as of Begin.
	Part(p Part, end bool) bool
	// Done is called after the last part: the call may be used again.
	Done()
	// Promote hands the request to a goroutine, which goes on with x. What the
	// client has not taken goes along.
	Promote(x *channel.Exchange)
}

// Part is a part of an answer's body, in memory that the worker may change at any
// time. Whoever takes it releases it.
type Part struct {
	Body    []byte
	answers *shm.Answers
	slot    int
}

// Release gives the memory back to the worker.
func (p *Part) Release() {
	if p.answers != nil {
		p.answers.Return(p.slot)
		*p = Part{}
	}
}

// Call is a request that the loop serves directly. It is part of a connection
// and used again; all of it is the backend's from Submit until Answer or Promote.
type Call struct {
	Request *gateway.Request
	Direct  Direct
	call    call
}

// Number is the request's, on the wire.
func (c *Call) Number() uint64 { return c.call.number }

// Worker is who has answered, by slot on the scoreboard and pid.
func (c *Call) Worker() (slot, pid int) {
	if m := c.call.worker; m != nil {
		return m.worker.Slot, m.pid
	}
	return -1, 0
}

// Began is when the request began to wait for a worker, Sent when it was given
// to one.
func (c *Call) Began() time.Time { return c.call.began }

// Sent is when it was given to a worker.
func (c *Call) Sent() time.Time { return c.call.sent }

// Owed is how many bytes the client has taken of the parts of an answer that the
// worker does not know of.
func (c *Call) Owed() int { return c.call.owed }

// stage is where a call is.
type stage int

const (
	idle    stage = iota // nowhere
	waits                // for a worker, in Backend.waiting
	given                // to a worker, in a slot
	fetched              // likewise, and its slot is free: all is said over the worker's socket
)

// progress is how far an answer is that the loop has begun.
type progress struct {
	begun   bool
	untaken int // bytes of the body that the loop holds
	owed    int // bytes that the client has taken, and the worker does not know of
}

// call is one request as the dispatcher knows it. It is the loop's.
type call struct {
	b        *Backend
	number   uint64
	request  *gateway.Request
	exchange *channel.Exchange // its goroutine's; nil while the loop serves it
	direct   *Call             // nil once it has a goroutine
	socket   bool              // it is for a WebSocket
	upgraded bool              // and has become one that takes no request's place

	stage  stage
	began  time.Time
	sent   time.Time
	slot   int     // in shared memory, while it is given
	worker *member // who has it, where that is known
	place  *member // whose place it takes; nil is one of those who share a pipe
	order  uint64  // in the shared pipe, from 1; 0 elsewhere
	void   bool    // it was taken back, if nobody has begun it
	progress

	late loop.Deadline
	turn fifo.Place[*call] // in Backend.waiting
}

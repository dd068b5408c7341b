package gateway

import (
	"bytes"
	"time"
)

// Looped is a backend that answers requests on the event loop.
type Looped interface {
	// NewCall returns a call. It serves one request after another.
	NewCall() Call
}

// Caller is a connection on the event loop, or one of its streams. A backend answers its requests
// without a goroutine. Its methods are called on the loop's goroutine.
type Caller interface {
	// Answer takes the head of an answer, which is valid during the call only, and
	// the first part of its body; end says that no other part follows. False means
	// that the answer needs a goroutine: nothing has been sent, and the part still
	// belongs to the backend.
	Answer(a *Answer, p Part, end bool) bool
	// Part takes a further part of the body; end says that it is the last. False
	// means the same as from Answer.
	Part(p Part, end bool) bool
	// Done is called after the last part: the call may be used again.
	Done()
	// Promote hands the request to a goroutine, which continues with x. It also gets
	// what the client has not taken of the answer. The call is not used again.
	Promote(x Begun)
}

// Call is a Caller's request at a backend. It belongs to the backend from Submit
// until Done or Promote. After Done, any Caller may use it again. Its methods are
// called on the loop's goroutine.
type Call interface {
	// Submit gives the backend a request of c's. It may call c before it returns.
	Submit(c Caller, r *Request)
	// Promote makes the backend call the Caller's Promote.
	Promote()
	// Abandon ends the answer, since the client has gone.
	Abandon()
	// Taken says that the client has taken n more bytes of the answer's parts.
	Taken(n int)
	Began() time.Time        // when the request started to wait for a worker
	Sent() time.Time         // when a worker got it
	Worker() (slot, pid int) // the worker that has it, or has answered it
}

// Answer is the head of an answer.
type Answer struct {
	Status  int
	Reason  string
	Fields  []Field
	Length  int64         // of the body in bytes, -1 if it is not known
	AppTime time.Duration // how long the worker has had the request; 0 if it does not say
}

// Part is a part of an answer's body. The memory is borrowed, and a worker may
// change it at any time. Whoever takes the part releases it. Without a Lender the
// memory is valid during the call only: whoever needs it longer copies it (Keep).
type Part struct {
	Body []byte
	Of   Lender // nil if the memory is only valid during the call
	Slot int
}

// Lender lends memory by slots.
type Lender interface{ Return(slot int) }

// Keep makes the part valid until Release.
func (p *Part) Keep() {
	if p.Of == nil {
		p.Body = bytes.Clone(p.Body)
	}
}

// Release gives the memory back.
func (p *Part) Release() {
	if p.Of != nil {
		p.Of.Return(p.Slot)
	}
	*p = Part{}
}

// Begun is what a backend has done for a request before a goroutine continues with
// it. It is passed on as Request.Begun.
type Begun interface {
	// Resume says that the answer has begun. sent bytes of its body were sent, or are
	// with the connection, which will send them. Call.Taken has not been told of the
	// last taken bytes of these.
	Resume(length, sent int64, taken int)
	// Add hands over the next part of the body, and copies it; end says that it is
	// the last.
	Add(body []byte, end bool)
	// Owe says that the client has taken n bytes of the answer for which Call.Taken was
	// called too late.
	Owe(n int)
	// Drop releases what was taken for the request, if nobody continues with it.
	Drop()
}

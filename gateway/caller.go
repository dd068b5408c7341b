package gateway

import "time"

// Looped is a backend that answers requests on an event loop.
type Looped interface {
	// NewCall returns a call, for one request after the other.
	NewCall() Call
}

// Caller is a connection on an event loop, or a stream of one, whose requests a backend answers without
// a goroutine for any of them. Its methods are called on the loop's thread.
type Caller interface {
	// Answer takes the head of an answer, which is valid during the call only, and
	// the first part of its body; end says that there is no other. False means that
	// it is an answer which needs a goroutine: nothing has been sent, and the part is
	// still the backend's.
	Answer(a *Answer, p Part, end bool) bool
	// Part takes a further part of the body; end says that it is the last. False
	// means the same as of Answer.
	Part(p Part, end bool) bool
	// Done is called after the last part: the call may be used again.
	Done()
	// Promote hands the request to a goroutine, which goes on with x. What the
	// client has not taken of the answer goes along. The call is not used again.
	Promote(x Begun)
}

// Call is a Caller's request at a backend. All of it is the backend's from Submit
// until Done or Promote; then it may be used again, by any Caller. Its methods are
// called on the loop's thread.
type Call interface {
	// Submit has a request of c's answered. It may call c before it returns.
	Submit(c Caller, r *Request)
	// Promote has the Caller promoted.
	Promote()
	// Abandon ends the answer to a request whose client has gone.
	Abandon()
	// Taken says that the client has taken n bytes of the parts of an answer.
	Taken(n int)
	Began() time.Time        // when the request began to wait for a worker
	Sent() time.Time         // when a worker got it
	Worker() (slot, pid int) // who has it, or has answered it
}

// Answer is the head of an answer.
type Answer struct {
	Status  int
	Reason  string
	Fields  []Field
	Length  int64         // of the body in bytes, -1 if it is not known
	AppTime time.Duration // that the worker has had the request; 0 if it does not say
}

// Part is a part of an answer's body, in memory that is somebody else's, and that a
// worker may change at any time. Whoever takes it releases it.
type Part struct {
	Body []byte
	Of   Lender // nil where nothing is to be given back
	Slot int
}

// Lender lends memory by slots.
type Lender interface{ Return(slot int) }

// Release gives the memory back.
func (p *Part) Release() {
	if p.Of != nil {
		p.Of.Return(p.Slot)
	}
	*p = Part{}
}

// Begun is what a backend has done for a request that a goroutine goes on with: it
// is the Request's Begun.
type Begun interface {
	// Resume says that the answer has begun, and that sent bytes of its body have
	// been sent, or are the connection's to send: taken more than Call.Taken has
	// been told of.
	Resume(length, sent int64, taken int)
	// Add hands over a part of the body behind these, which is copied; end says that
	// it is the last.
	Add(body []byte, end bool)
	// Drop gives back what was taken for the request, if nobody goes on with it.
	Drop()
}

package proxy

import (
	"errors"
	"io"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/loop"
)

const (
	heldMost = 64 << 10  // bytes of a body that are buffered in the hope that it ends
	window   = 256 << 10 // of a body, that the loop holds and the client has not taken
)

// answer is what a call knows of its answer.
type answer struct {
	res     *response
	untaken int           // bytes that the client has
	paused  bool          // nothing is read until the client has taken some
	over    bool          // all of it was read
	late    loop.Deadline // for the body to begin
	unsent  []byte        // of a promoted call: what the client has not taken
}

// gather reads a body before any of the answer is sent, in the hope that all of it is
// there.
func (c *Call) gather() {
	res := c.res
	for res.head.Length <= heldMost {
		p, err := res.next(c.b.scratch)
		switch {
		case errors.Is(err, http1.ErrDry):
			if len(res.held) == 0 && res.head.Length > 0 {
				c.await()
				return
			}
			c.tell()
			return
		case errors.Is(err, io.EOF) && !res.trailed():
			c.whole(res.held)
			return
		case err != nil:
			c.Promote()
			return
		case len(res.held) == 0 && res.whole():
			c.whole(p)
			return
		}
		res.held = append(res.held, p...)
		if res.whole() {
			c.whole(res.held)
			return
		}
		if len(res.held) > heldMost {
			break
		}
	}
	c.tell()
}

// await waits for a body: its head alone is not worth a write, for a while.
func (c *Call) await() {
	if !c.late.Armed() {
		c.b.late.Arm(&c.late)
	}
}

// lacksBlock has the answer read on a moment later. Those whose clients do not
// take them hold all blocks; to hold theirs elsewhere is not this one's business.
func (c *Call) lacksBlock() {
	if !c.late.Armed() {
		c.b.noBlocks.Arm(&c.late)
	}
}

// Expired implements loop.Expirer: the body does not begin, or there may be a
// block for it by now.
func (c *Call) Expired(*loop.Deadline) {
	if c.res.told {
		c.relay()
		return
	}
	c.tell()
}

// head is the answer's head.
func (c *Call) head() *gateway.Answer {
	h := &c.res.head
	c.b.said = gateway.Answer{Status: h.Status, Reason: h.Reason, Fields: h.Fields, Length: h.Length}
	return &c.b.said
}

// whole sends a complete answer to the client.
func (c *Call) whole(body []byte) {
	if !c.caller.Answer(c.head(), gateway.Part{Body: body}, true) {
		c.res.held = append(c.res.held[:0], body...)
		c.Promote()
		return
	}
	c.finish()
	c.caller.Done()
}

// tell sends the first part of an answer to the client; more will come.
func (c *Call) tell() {
	c.late.Disarm()
	res := c.res
	p, ok := c.b.blocks.lend(res.held)
	if !ok {
		c.lacksBlock()
		return
	}
	c.untaken, c.paused = len(p.Body), false
	if !c.caller.Answer(c.head(), p, false) {
		p.Release()
		c.Promote()
		return
	}
	res.told, res.held = true, res.held[:0]
	if !c.promoted {
		c.relay()
	}
}

// relay passes on the available bytes of a body, as long as the client takes them.
func (c *Call) relay() {
	res := c.res
	for !c.paused && !c.promoted {
		p, ok := c.b.blocks.take()
		if !ok {
			c.lacksBlock()
			return
		}
		got, err := res.next(p.Body)
		if len(got) > 0 && &got[0] != &p.Body[0] { // it has come with the head
			copy(p.Body, got)
		}
		p.Body = p.Body[:len(got)]
		end := res.whole() || errors.Is(err, io.EOF) && !res.trailed()
		if err != nil && !end {
			p.Release()
			if !errors.Is(err, http1.ErrDry) {
				c.Promote()
			}
			return
		}
		c.untaken += len(p.Body)
		c.paused = c.untaken >= window
		if !c.caller.Part(p, end) {
			res.held = append(res.held, p.Body...)
			p.Release()
			c.Promote()
			return
		}
		if end && !c.promoted {
			c.finish()
			c.caller.Done()
			return
		}
	}
}

// Taken implements gateway.Call.
func (c *Call) Taken(n int) {
	c.untaken -= n
	if c.paused && c.untaken <= window/2 {
		c.paused = false
		c.b.Loop.Post(c.goOn)
	}
}

// goOn reads what was left to be read.
func (c *Call) goOn() {
	if !c.promoted && c.stage == answers && c.res.told {
		c.relay()
	}
}

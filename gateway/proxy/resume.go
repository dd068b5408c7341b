package proxy

import (
	"fmt"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/internal/listen"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
)

// Resume implements gateway.Begun.
func (c *Call) Resume(int64, int64, int) {}

// Owe implements gateway.Begun. The worker's own connection limits how fast it answers.
func (c *Call) Owe(int) {}

// Add implements gateway.Begun.
func (c *Call) Add(body []byte, _ bool) { c.unsent = append(c.unsent, body...) }

// complete sends the client what it has not taken of an answer that the worker has
// completed.
func (c *Call) complete(w gateway.Reply) error {
	if _, err := w.Write(c.unsent); err != nil {
		return err
	}
	return w.End(nil)
}

// adopt takes over the connection of a call that the loop has begun, and its
// response as far as that was read.
func (x *roundTrip) adopt(c *Call) (*workerConn, error) {
	l := c.link
	nc, err := listen.TakeConn(l.fd)
	if err != nil {
		return nil, err
	}
	taken, err := newWorkerConn(l.worker, nc)
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("take over connection: %w", err)
	}
	taken.reused, taken.asked, taken.keepAlive = l.reused, l.promised, l.keepAlive
	taken.wrote, taken.request = c.wrote, c.rest
	l.worker.register(taken)
	x.response, x.answered, x.readErr = c.res, l.heard, l.failed
	if len(x.held) == 0 {
		x.held, c.unsent = c.unsent, nil
	} else {
		x.held, c.unsent = append(x.held, c.unsent...), nil
	}
	x.src = x
	return taken, nil
}

// Drop gives back what the call has, if nobody goes on with it; nil has nothing.
func (c *Call) Drop() {
	switch {
	case c == nil:
	case c.worker != nil:
		if c.link != nil {
			c.link.discard()
		}
		c.worker.ledger.end(&c.entry, scoreboard.Now(), false)
		c.b.Pool.Release(c.worker.slot)
	case c.stage == waits:
		c.b.Pool.Leave(&c.waiter)
	}
}

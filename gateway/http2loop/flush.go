package http2loop

import "syscall"

// touch makes the connection send what it has at the end of the turn.
func (c *conn) touch() {
	if !c.dirty && !c.gone {
		c.dirty = true
		c.s.dirty = append(c.s.dirty, c)
	}
}

// flush sends what there is, as much as the client takes. What follows from that
// happens in the next turn, since this one is over.
func (c *conn) flush() {
	c.dirty = false
	if c.gone {
		return
	}
	wasFull := c.full()
	for n := 0; !c.stuck; n++ {
		c.wire.Fill()
		p := c.wire.Out()
		if len(p) == 0 {
			c.blocked.Disarm()
			break
		}
		if n == turnWrites {
			c.s.o.Loop.Post(c.touch) // other connections come first
			break
		}
		if !c.send(p) {
			return
		}
	}
	switch {
	case wasFull && !c.full():
		c.s.o.Loop.Post(c.resume)
	case c.wire.Dead() && len(c.wire.Out()) == 0 && !c.ending:
		c.end()
	}
}

// send writes once; false means that the connection is over.
func (c *conn) send(p []byte) bool {
	n, err := c.t.Write(p)
	switch {
	case err == syscall.EINTR:
	case err == syscall.EAGAIN:
		c.stuck = true
		if !c.blocked.Armed() {
			c.s.write.Arm(&c.blocked)
		}
	case err != 0:
		c.s.o.Loop.Post(c.close)
		return false
	default:
		c.s.giveBuffer(c.wire.Wrote(n))
		c.blocked.Disarm() // the client has taken some
	}
	return true
}

// end waits until the client has read everything. Closing the connection while bytes
// of the client are unread would reset it.
func (c *conn) end() {
	c.ending = true
	c.rest = nil
	c.slow.Disarm()
	c.t.CloseWrite()
	c.s.linger.Arm(&c.waits)
	c.more = true
	c.s.o.Loop.Post(c.read)
}

package http2loop

import "syscall"

// touch has the connection send, at the turn's end, what there is.
func (c *conn) touch() {
	if !c.dirty && !c.gone {
		c.dirty = true
		c.s.dirty = append(c.s.dirty, c)
	}
}

// flush sends what there is, as far as the client takes it. What then ends does so
// in the next turn, as this one is over.
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
			c.s.o.Loop.Post(c.touch) // others have their turn
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
		c.blocked.Disarm() // it has taken some
	}
	return true
}

// end waits for the client to have read the last of it: closing with its bytes
// unread would reset the connection.
func (c *conn) end() {
	c.ending = true
	c.rest = nil
	c.slow.Disarm()
	c.t.CloseWrite()
	c.s.linger.Arm(&c.waits)
	c.more = true
	c.s.o.Loop.Post(c.read)
}

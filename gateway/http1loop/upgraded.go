package http1loop

import (
	"syscall"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/gateway/pipeline"
	"golang.org/x/sys/unix"
)

const (
	// readMost is how many bytes of a connection that is HTTP no more are read at
	// once: as much may be left of them while nobody takes them.
	readMost = 16 << 10
	// readTimes is how often one is read in a turn of the loop.
	readTimes = 8
)

// upgrade is a connection that is HTTP no more.
type upgrade struct {
	to      gateway.Upgraded
	rest    []byte // that was read, and nobody has taken
	dirty   bool   // it is in upgrades
	more    bool   // there may be something to be read
	lost    bool   // the client has gone
	late    bool   // the rest of this turn's reading was put off
	reading bool   // readUpgraded runs
	again   bool   // and Resume was called meanwhile
}

// upgrades are the connections that are HTTP no more.
type upgrades struct {
	sockets gateway.Sockets // nil where the backend has none
	unsaid  []*conn         // those that have something to sendUpgraded
	scratch [readMost]byte
}

// Upgrade implements gateway.Upgrader.
func (c *conn) Upgrade(fields []gateway.Field, u gateway.Upgraded) gateway.Raw {
	s := c.s
	if c.state != busy || http1.CheckResponse(101, fields) != nil {
		return nil
	}
	s.out = http1.AppendUpgrade(s.out[:0], 101, c.head.Upgrade, fields)
	c.out = append([]byte(nil), c.seal(s.out)...)
	c.up = &upgrade{to: u, rest: append([]byte(nil), c.in[c.total:c.n]...), more: c.more}
	s.give(c.in)
	c.in, c.n, c.total = nil, 0, 0
	c.state = upgraded
	c.deadline.Disarm()
	c.Soon()
	return c
}

// readyUpgraded is told what has happened to the connection.
func (c *conn) readyUpgraded(ev loop.Events) {
	if ev&loop.Writable != 0 && len(c.out)+len(c.up.to.Unsent()) > 0 {
		c.Soon()
	}
	if ev&(loop.Readable|loop.HungUp) != 0 {
		c.up.more = true
		c.readUpgraded()
	}
}

// Resume implements gateway.Raw.
func (c *conn) Resume() {
	if c.state != upgraded {
		return
	}
	if c.up.again = true; !c.up.reading {
		c.readUpgraded()
	}
}

// readUpgraded hands over what the client has sent, as long as somebody takes it.
func (c *conn) readUpgraded() {
	t := c.up
	t.reading = true
	defer func() { t.reading = false }()
	for range readTimes {
		if !c.feed() || !t.more {
			return
		}
		p := c.s.scratch[:]
		n, err := c.receive(p)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			t.more = false
			return
		case err != 0 || n == 0:
			c.lose()
			return
		}
		t.more = !c.drained(n, len(p))
		if k := t.to.Feed(p[:n]); k < n && c.state == upgraded {
			t.rest = append([]byte(nil), p[k:n]...)
		}
	}
	if c.state == upgraded && t.more && !t.late {
		t.late = true
		c.s.o.Loop.Post(func() {
			if t.late = false; c.state == upgraded {
				c.readUpgraded()
			}
		})
	}
}

// feed hands over what was left; it reports whether that was all.
func (c *conn) feed() bool {
	t := c.up
	for c.state == upgraded && (len(t.rest) > 0 || t.again) {
		t.again = false
		n := t.to.Feed(t.rest)
		if t.rest = t.rest[n:]; n == 0 && len(t.rest) > 0 && !t.again {
			return false
		}
	}
	if c.state != upgraded {
		return false
	}
	t.rest = nil
	return true
}

// lose tells that the client has gone, or takes nothing.
func (c *conn) lose() {
	c.up.lost = true
	c.up.to.Lost()
}

// HungUp implements gateway.Raw.
func (c *conn) HungUp() bool { return c.hungUp }

// Soon implements gateway.Raw.
func (c *conn) Soon() {
	if t := c.up; t != nil && !t.dirty {
		t.dirty = true
		c.s.unsaid = append(c.s.unsaid, c)
	}
}

// sendAll writes what was said in this turn.
func (s *Server) sendAll() {
	for i := 0; i < len(s.unsaid); i++ {
		c := s.unsaid[i]
		if c.up != nil {
			c.up.dirty = false
			if c.state == upgraded {
				c.sendUpgraded()
			}
		}
		s.unsaid[i] = nil
	}
	s.unsaid = s.unsaid[:0]
}

// sendUpgraded writes what the client takes now.
func (c *conn) sendUpgraded() {
	u := c.up.to
	for some := false; len(c.out) > 0 || len(u.Unsent()) > 0; {
		switch c.sendSome() {
		case 0:
			some = true
		case unix.EINTR:
		case unix.EAGAIN:
			if some || !c.deadline.Armed() {
				c.s.write.Arm(&c.deadline)
			}
			return
		default:
			c.lose()
			return
		}
	}
	c.deadline.Disarm()
}

// sendSome writes as much as one system call takes.
func (c *conn) sendSome() syscall.Errno {
	u := c.up.to
	if len(c.out) > 0 {
		n, err := loop.Write(c.fd, c.out)
		if err == 0 {
			c.written(n)
		}
		return err
	}
	p := u.Unsent()
	if c.sec == nil {
		n, err := loop.Write(c.fd, p)
		if err == 0 {
			u.Sent(n)
		}
		return err
	}
	p = p[:min(len(p), sealMost)]
	sealed := c.seal(p)
	u.Sent(len(p))
	n, err := loop.Write(c.fd, sealed)
	if err != 0 {
		n = 0
	}
	if n < len(sealed) {
		c.out = append([]byte(nil), sealed[n:]...)
	}
	return err
}

// End implements gateway.Raw.
func (c *conn) End(err error) {
	if c.state != upgraded {
		return
	}
	t := c.up
	c.up = nil
	c.recordUpgraded(err)
	if t.lost {
		c.close()
		return
	}
	if rest := t.to.Unsent(); len(rest) > 0 {
		c.out = append(c.out, c.seal(rest)...)
	}
	// The client may have sent what nobody reads: it is to read the last words.
	c.state, c.last, c.more = writing, true, true
	c.s.write.Arm(&c.deadline)
	c.flush()
}

// recordUpgraded counts and logs the request that the connection has begun with.
func (c *conn) recordUpgraded(err error) {
	c.req.QueueWait = c.call.Sent().Sub(c.call.Began())
	c.req.Slot, c.req.WorkerPID = c.call.Worker()
	if err != nil {
		c.s.o.Pipeline.Broken(&c.req, err)
	}
	c.s.o.Pipeline.Finish(&pipeline.Record{Request: &c.req, Status: 101, Begun: c.received, Asked: true})
}

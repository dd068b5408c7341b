package http2loop

import (
	"syscall"
	"time"

	"github.com/gonicorn/gonicorn/gateway/budget"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/http2"
	"github.com/gonicorn/gonicorn/gateway/loop"
)

const (
	turnReads  = 2         // reads of one connection in a turn
	turnWrites = 8         // writes of one connection in a turn
	scrapMost  = 256 << 10 // bytes that a client may send while its connection ends
	heldMost   = 4 << 10   // bytes that an incomplete head may have without counting in HTTP.Heads
)

// Transport carries a connection's bytes. It never blocks: after EAGAIN the loop
// reports when the connection is ready. A Read of 0 bytes is the end.
type Transport interface {
	Read(p []byte) (int, syscall.Errno)
	Write(p []byte) (int, syscall.Errno)
	CloseWrite()
	Close()
}

// draining is a Transport that can have this property: after a Read that did not fill
// its buffer there is nothing left, and the loop reports when there is more.
type draining interface{ Drains() bool }

// conn is one connection. It belongs to the loop. It implements http2.Events.
type conn struct {
	s     *Server
	t     Transport
	about http1.Conn // addresses, scheme and TLS state; its Conn is not used
	wire  *http2.Conn
	done  func() // called when the connection and all its goroutines have ended

	rest  []byte // was read, but is not a whole frame yet
	more  bool   // there may be something to read
	short bool   // after a read that does not fill its buffer there is nothing left
	stuck bool   // the client takes nothing now
	dirty bool   // is in Server.dirty
	timeouts
	leaving
	grown *budget.Account // in HTTP.Heads; nil if nothing is counted there
	held  int             // reserved bytes
	goroutines
}

// goroutines counts the goroutines of a connection's requests.
type goroutines struct {
	tasks   int // all
	orphans int // those whose streams have ended
	lost    int // streams that have ended, and whose requests another loop has
}

// timeouts are a connection's timeouts.
type timeouts struct {
	waits   loop.Deadline // for the preface and settings, a request, or the client's end
	slow    loop.Deadline // for a head
	blocked loop.Deadline // for the client to take anything
}

// leaving is how a connection ends.
type leaving struct {
	parting bool // the client was told to go elsewhere
	ending  bool // everything was sent, and the client has to close its end
	scrap   int  // bytes that were read since then
	gone    bool
}

// Enter serves a connection whose first bytes were already read. It is called on the
// loop's goroutine. The loop has to report events to the result; done is called at the
// end.
func (s *Server) Enter(t Transport, about http1.Conn, ahead []byte, preface bool, done func()) loop.Handler {
	c := &conn{s: s, t: t, about: about, done: done}
	if d, is := t.(draining); is {
		c.short = d.Drains()
	}
	c.about.Conn = nil
	c.waits.Owner, c.slow.Owner, c.blocked.Owner = c, c, c
	s.conns[c] = struct{}{}
	s.greet.Arm(&c.waits)
	c.wire = http2.New(s.codec, &s.o.Bounds, c, preface)
	if s.parted {
		c.leave()
	}
	c.feed(ahead)
	return c
}

// Open implements http2.Events.
func (c *conn) Open() *http2.Stream {
	if c.wire.Streams()+c.orphans+c.lost >= c.s.o.Bounds.Streams {
		return nil
	}
	st := c.s.stream()
	st.c = c
	return &st.Stream
}

// Buffer implements http2.Events.
func (c *conn) Buffer() []byte { return c.s.buffer() }

// Ready implements loop.Handler.
func (c *conn) Ready(ev loop.Events) {
	if c.gone {
		return
	}
	if ev&loop.Writable != 0 && c.stuck {
		c.stuck = false
		c.touch()
	}
	c.short = c.short && ev&loop.HungUp == 0 // the connection's end has to be read, too
	if ev&(loop.Readable|loop.HungUp) != 0 {
		c.more = true
		c.read()
	}
}

// full reports whether the client has to take bytes before more are read from it.
func (c *conn) full() bool { return len(c.wire.Out()) >= 2*inputSize }

// read reads the available bytes, within the limit of a turn.
func (c *conn) read() {
	for range turnReads {
		if c.gone || !c.more || c.full() {
			return
		}
		p := c.s.input
		if c.ending {
			c.rest = nil
		}
		have := copy(p, c.rest)
		if have == len(p) { // a read into no room would look like the end
			if c.feed(p); len(c.rest) == len(p) {
				return // until the client has taken something: resume continues
			}
			continue
		}
		n, err := c.t.Read(p[have:])
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			c.more = false
			return
		case err != 0 || n == 0:
			c.close()
			return
		}
		if !c.ending {
			c.feed(p[:have+n])
		} else if c.scrap += n; c.scrap > scrapMost {
			c.close() // the client sends and does not read
			return
		}
		if c.short && have+n < len(p) {
			c.more = false
			return
		}
	}
	if !c.gone && c.more {
		c.s.o.Loop.Post(c.read)
	}
}

// feed acts on what was read.
func (c *conn) feed(p []byte) {
	used := c.wire.Feed(p, c.s.o.Loop.Now())
	if rest := p[used:]; len(rest) > 0 {
		c.rest = append(c.rest[:0], rest...)
	} else {
		c.rest = nil
	}
	c.after()
}

// resume continues to read once the client has taken what it was sent.
func (c *conn) resume() {
	if c.gone || c.ending {
		return
	}
	if len(c.rest) > 0 {
		c.feed(c.s.input[:copy(c.s.input, c.rest)])
	}
	c.read()
}

// after updates deadlines and budgets after any event on the connection.
func (c *conn) after() {
	if c.gone {
		return
	}
	inside, size := c.wire.InHead()
	c.charge(inside, int64(size))
	switch {
	case !inside:
		c.slow.Disarm()
	case !c.slow.Armed():
		c.s.head.Arm(&c.slow)
	}
	c.rests()
	c.touch()
}

// charge bounds the memory of all incomplete heads together.
func (c *conn) charge(inside bool, size int64) {
	switch heads := c.s.o.HTTP.Heads; {
	case !inside || heads == nil:
		if c.grown != nil {
			c.grown.Close()
			c.grown = nil
		}
	case size > heldMost:
		if c.grown == nil {
			c.grown = heads.Account()
		}
		if more := size - c.grown.Held(); more > 0 && !c.grown.Try(more) {
			c.wire.Calm()
		}
	}
}

// rests lets a connection without requests in flight wait for the next one, or end.
func (c *conn) rests() {
	if c.wire.Dead() || c.wire.Streams() > 0 || !c.wire.Greeted() {
		return
	}
	switch list := c.waits.List(); {
	case c.wire.Left():
		c.wire.Part()
	case c.parting && list == c.s.greet:
		c.s.moment.Arm(&c.waits)
	case c.parting && list != c.s.moment:
		c.wire.Part() // the moment is over
	case !c.parting && list != c.s.idle:
		c.s.idle.Arm(&c.waits)
	}
}

// begun is called when a request begins.
func (c *conn) begun() {
	if !c.parting {
		c.waits.Disarm()
	}
}

// leave sends GOAWAY. Requests that the client has sent before it reads that are
// still answered.
func (c *conn) leave() {
	if c.parting || c.ending || c.wire.Dead() {
		return
	}
	c.parting = true
	c.wire.Leave()
	if c.wire.Greeted() {
		c.s.moment.Arm(&c.waits)
	}
	c.touch()
}

// Expired implements loop.Expirer.
func (c *conn) Expired(d *loop.Deadline) {
	switch {
	case d != &c.waits || c.ending:
		c.close()
	case c.parting && c.wire.Greeted():
		c.wire.Refuse()
		c.rests()
		c.touch()
	case !c.wire.Greeted():
		c.close()
	default:
		c.read() // a request may have come just now, or while the process was stopped
		if !c.gone && c.wire.Streams() == 0 {
			c.wire.Part()
			c.touch()
		}
	}
}

// close drops the connection.
func (c *conn) close() {
	if c.gone {
		return
	}
	c.gone = true
	c.waits.Disarm()
	c.slow.Disarm()
	c.blocked.Disarm()
	c.wire.Abort()
	c.charge(false, 0)
	c.s.giveBuffer(c.wire.Wrote(len(c.wire.Out())))
	c.rest = nil
	c.t.Close()
	delete(c.s.conns, c)
	c.s.lastLeft()
	c.finish()
}

// finish calls done once the connection and all its goroutines have ended.
func (c *conn) finish() {
	if c.gone && c.tasks == 0 && c.lost == 0 && c.done != nil {
		c.done()
		c.done = nil
	}
}

// now returns when this turn began.
func (c *conn) now() time.Time { return c.s.o.Loop.Now() }

package http1loop

import (
	"crypto/tls"
	"net/netip"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/gateway/tlsconn"
	"github.com/gonicorn/gonicorn/internal/listen"
	"golang.org/x/sys/unix"
)

// state is what a connection is doing.
type state int

const (
	reading     state = iota // waits for a request, or for the rest of one
	busy                     // has a request at the backend
	writing                  // has a response that the client has not taken
	sendingLong              // has one that comes in parts
	lingering                // has sent its last response; the client may read it
	upgraded                 // is HTTP no more
	gone                     // is not the loop's any more
)

// conn is one connection. It is the loop's.
type conn struct {
	s        *Server
	fd       int
	state    state
	deadline loop.Deadline
	flags

	input
	*work // nil as long as in is

	out   []byte      // of the response, what the client has not taken
	parts *longAnswer // nil except while sendingLong
	up    *upgrade    // nil except while upgraded

	sec     *tlsconn.Conn // nil without TLS
	follows bool          // of an answer that leaves the loop, something will be written behind what is not sent
	ends
}

// flags says what is known of the client.
type flags struct {
	more    bool // there may be bytes to read
	hungUp  bool // the client has sent its last byte, or is gone
	last    bool // no request follows this one
	trusted bool // the peer may send forwarder headers
	served  bool // it has had a response
}

// input is what was read and is not used yet.
type input struct {
	in       []byte // in[:n] was read and is not used yet; nil if there is nothing
	n        int
	headLen  int       // of the request at the front of in; 0 while it is not whole
	total    int       // of the request, with its body
	received time.Time // the first byte of the request; of none so far, the connection
}

// ends are the addresses of a connection; unix is the path of a unix socket.
type ends struct {
	remote, local netip.AddrPort
	unix          string
	peer          gateway.Peer         // who is connected: remote, or a proxy
	tls           *tls.ConnectionState // nil without
}

func (e *ends) scheme() string {
	if e.tls != nil {
		return "https"
	}
	return "http"
}

// about describes the connection, without its socket, for the next owner.
func (c *conn) about() http1.Conn {
	return http1.Conn{Scheme: c.scheme(), Remote: c.remote, Local: c.local, LocalUnix: c.unix, Peer: c.peer, TLS: c.tls}
}

// add serves a connection that was accepted.
func (s *Server) add(fd int, from netip.AddrPort, unixPath string) {
	c := &conn{s: s, fd: fd, ends: ends{remote: from, unix: unixPath, peer: gateway.Peer{Addr: from.Addr(), Unix: unixPath != ""}}}
	if unixPath == "" {
		c.local = localAddr(fd)
	}
	s.enter(c, s.first)
}

// enter adds a connection to the loop, which waits for its next request.
func (s *Server) enter(c *conn, until *loop.Deadlines) {
	c.trusted = s.o.HTTP.Trusted != nil && s.o.HTTP.Trusted(c.peer.Addr, c.peer.Unix)
	c.deadline.Owner = c
	c.received = s.o.Loop.Now()
	s.conns[c] = struct{}{}
	if err := s.o.Loop.Watch(c.fd, c); err != nil {
		s.o.Host.LogAcceptError("connection", err)
		c.close()
		return
	}
	if s.draining {
		until = c.parting()
	}
	until.Arm(&c.deadline) // the first event comes at once if there is something
}

// parting is how long the connection may be idle once the server drains.
func (c *conn) parting() *loop.Deadlines {
	if !c.served && c.s.o.Loop.Now().Sub(c.received) < http1.DrainFirst {
		return c.s.drainFirst
	}
	return c.s.drain
}

// Ready implements loop.Handler.
func (c *conn) Ready(ev loop.Events) {
	c.hungUp = c.hungUp || ev&loop.HungUp != 0
	if c.sec != nil && ev&(loop.Readable|loop.HungUp) != 0 {
		c.sec.Heard()
	}
	switch c.state {
	case reading:
		if ev&(loop.Readable|loop.HungUp) != 0 {
			c.read()
		}
	case busy:
		c.more = c.more || ev&loop.Readable != 0
		c.listens()
	case writing:
		c.more = c.more || ev&(loop.Readable|loop.HungUp) != 0
		if ev&loop.Writable != 0 {
			c.flush()
		}
	case sendingLong:
		c.more = c.more || ev&(loop.Readable|loop.HungUp) != 0
		if ev&loop.Writable != 0 {
			c.soon()
		}
		c.listens()
	case lingering:
		c.discard()
	case upgraded:
		c.readyUpgraded(ev)
	}
}

// listens moves the request to a goroutine if the client has closed its sending
// half: the goroutine finds out whether the client still waits for the answer.
func (c *conn) listens() {
	if c.hungUp && (c.state == busy || c.state == sendingLong && !c.parts.ended) {
		c.call.Promote()
	}
}

// read reads the available bytes and acts on them.
func (c *conn) read() {
	c.more = false
	for c.state == reading {
		if c.in == nil {
			c.in, c.work = c.s.take(), c.s.takeWork()
		}
		if c.n == len(c.in) {
			c.hand(nil, nil) // more than the loop takes
			return
		}
		room := len(c.in) - c.n
		n, err := c.receive(c.in[c.n:])
		switch {
		case err == unix.EAGAIN:
			c.pause()
			return
		case err == unix.EINTR:
			continue
		case err == 0 && n == 0 && c.n > 0:
			c.hand(nil, nil) // the goroutine answers what is missing
			return
		case err != 0 || n == 0:
			c.close()
			return
		}
		if c.n == 0 {
			c.received = c.s.o.Loop.Now()
		}
		c.n += n
		c.advance()
		if c.state == reading && c.drained(n, room) {
			c.pause()
			return
		}
		c.more = !c.drained(n, room)
	}
	c.listens()
}

// pause waits for more bytes. If no request has begun it keeps no memory.
func (c *conn) pause() {
	if c.n == 0 && c.in != nil {
		c.giveWork()
	}
}

// giveWork gives back the memory for a request.
func (c *conn) giveWork() {
	c.s.give(c.in)
	if c.state != busy && c.state != sendingLong { // its call is the backend's, or a goroutine's
		c.s.giveWork(c.work)
	}
	c.in, c.work = nil, nil
}

// Expired implements loop.Expirer.
func (c *conn) Expired(d *loop.Deadline) {
	switch {
	case c.state == reading && c.n == 0:
		if c.sec != nil {
			c.sec.Heard()
		}
		c.read() // it may have come in this moment, or while the process stood still
		if c.state == reading && c.n == 0 {
			c.close()
		}
	case c.state == reading:
		c.hand(nil, nil) // the goroutine answers that it took too long
	case c.state == busy:
		c.call.Promote() // likewise
	case c.state == sendingLong && (c.parts.pace.Keeps(c.parts.sent) || !c.s.o.Pipeline.TakesStuck() || !c.s.leaving.Allow()):
		c.s.stuck.Arm(&c.deadline)
	case c.state == sendingLong:
		c.call.Promote() // which holds it elsewhere than in the worker's memory
	case c.state == upgraded:
		c.lose()
	default:
		c.close()
	}
}

// next takes the connection's next request if it is there, or waits for it.
func (c *conn) next() {
	c.state = reading
	c.head.Reset()
	c.headLen, c.total = 0, 0
	c.s.kept.Arm(&c.deadline)
	if c.n > 0 {
		c.received = c.s.o.Loop.Now()
		c.advance()
	}
	if c.state == reading && (c.more || c.n > 0) {
		c.read()
		return
	}
	if c.state == reading {
		c.pause()
	}
}

// used removes the request at the front of the buffer.
func (c *conn) used() {
	c.n = copy(c.in, c.in[c.total:c.n])
	if len(c.in) != block && c.n <= block {
		small := c.s.take()
		copy(small, c.in[:c.n])
		c.s.give(c.in)
		c.in = small
	}
}

// leave takes the connection out of the loop.
func (c *conn) leave() {
	s := c.s
	c.deadline.Disarm()
	c.dropLong()
	s.o.Loop.Forget(c.fd)
	if c.in != nil {
		c.giveWork()
	}
	c.state, c.out = gone, nil
	delete(s.conns, c)
	if len(s.conns) == 0 {
		s.leftLast()
	}
}

func (c *conn) close() {
	if c.state == gone {
		return
	}
	if c.state == reading {
		c.bye()
	}
	c.leave()
	unix.Close(c.fd)
	c.s.o.Host.ReleaseConn()
}

// hand gives the connection to a goroutine, with the bytes read so far and with what
// has been done for its request. unsent are TLS records that are still to be sent.
func (c *conn) hand(begun *http1.Begun, unsent []byte) {
	s := c.s
	to := c.about()
	to.Ahead, to.Received, to.Begun, to.Served, to.Return = append([]byte(nil), c.in[:c.n]...), c.received, begun, c.served, s.takeBack
	if c.n == 0 {
		to.Received = time.Time{}
	}
	fd, sec, follows := c.fd, c.sec, c.follows
	c.leave()
	go func() {
		var err error
		if to.Conn, err = s.release(fd, sec, unsent, follows); err != nil {
			to.Conn = nil
			s.o.Host.LogAcceptError("connection", err)
		}
		s.o.Host.HandOver(to)
	}()
}

// Promote implements gateway.Caller: the request goes on in a goroutine.
func (c *conn) Promote(x gateway.Begun) {
	if c.state != busy && c.state != sendingLong { // the answer was sent before the backend had heard of it
		x.Drop()
		return
	}
	b := &http1.Begun{Number: c.req.Number, ID: c.req.ID, Asked: c.call.Began(), With: x}
	var unsent []byte
	if c.parts != nil {
		if c.sec != nil {
			unsent = append(unsent, c.out...)
		}
		c.follows = c.parts.follows()
		c.handLong(x, b)
	}
	c.hand(b, unsent)
}

// takeBack takes an idle connection back from a goroutine. It implements Return of
// http1.Conn.
func (s *Server) takeBack(from *http1.Conn) bool {
	if sec, is := from.Conn.(*tlsconn.Conn); is {
		raw := sec.Raw()
		if !s.Take(from, false) {
			return false
		}
		from.Conn = raw // which is closed already
		return true
	}
	fd, err := listen.Duplicate(from.Conn)
	if err != nil {
		return false
	}
	c := &conn{s: s, fd: fd, ends: ends{from.Remote, from.Local, from.LocalUnix, from.Peer, nil}, flags: flags{served: true}}
	s.o.Host.Adopt()
	s.o.Loop.Post(func() { s.enter(c, s.kept) })
	return true
}

package http1loop

import (
	"net"
	"syscall"
	"time"

	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/gateway/tlsconn"
	"github.com/gonicorn/gonicorn/internal/listen"
	"golang.org/x/sys/unix"
)

// sealMost is how many bytes of an answer become records at once: as much may wait
// for a client that does not read.
const sealMost = 32 << 10

// owedMost is how many bytes may wait for a client of what TLS itself has to say, such
// as new keys: a client that reads has taken it long before.
const owedMost = 64 << 10

// Take serves a connection whose TLS handshake is done, if it can. The connection
// is counted already. version2 says that it speaks HTTP/2.
func (s *Server) Take(from *http1.Conn, version2 bool) bool {
	sec, is := from.Conn.(*tlsconn.Conn)
	if !is {
		return false
	}
	fd, err := sec.Detach(loop.Read)
	if err != nil {
		return false
	}
	s.o.Host.Adopt()
	s.o.Loop.Do(func() { s.admit(fd, sec, from, version2) })
	return true
}

func (s *Server) admit(fd int, sec *tlsconn.Conn, from *http1.Conn, version2 bool) {
	c := &conn{s: s, fd: fd, sec: sec, ends: ends{from.Remote, from.Local, from.LocalUnix, from.Peer, from.TLS}, flags: flags{served: from.Served}}
	if version2 {
		s.enterHTTP2(&sealed{socket: socket{loop: s.o.Loop, fd: fd}, s: s, sec: sec}, c.about(), nil)
		return
	}
	until := s.first
	if from.Served {
		until = s.kept
	}
	if s.enter(c, until); c.state == reading {
		c.read() // it may have come with the handshake
	}
}

// receive reads what the client has sent.
func (c *conn) receive(p []byte) (int, syscall.Errno) {
	if c.sec == nil {
		return loop.Read(c.fd, p)
	}
	if c.hungUp {
		c.sec.Heard()
	}
	n, err := c.sec.Receive(p)
	if owed := c.sec.Owed(); len(owed) > 0 && !c.owe(owed) {
		return 0, syscall.EPIPE
	}
	return n, err
}

// owe sends records that TLS itself wants sent. While a client has not taken everything
// else, they wait behind that. It returns false if the client has long read nothing.
func (c *conn) owe(p []byte) bool {
	if len(c.out) == 0 {
		n, err := loop.Write(c.fd, p)
		switch {
		case err == 0:
			p = p[n:]
		case err != unix.EAGAIN && err != unix.EINTR:
			return false
		}
	}
	switch {
	case len(p) == 0:
		return true
	case c.state != upgraded || len(c.out)+len(p) > sealMost+owedMost:
		return false
	}
	c.out = append(c.out, p...)
	c.Soon()
	return true
}

// drained reports whether a read of n bytes, with room for more, was the last that
// there was.
func (c *conn) drained(n, room int) bool { return c.sec == nil && n < room && !c.hungUp }

// seal makes of a response what is to be written.
func (c *conn) seal(p []byte) []byte {
	if c.sec == nil {
		return p
	}
	c.s.sealed = c.sec.Seal(c.s.sealed[:0], p)
	return c.s.sealed
}

// sealParts makes records of parts that have come: as many as may wait for the
// client.
func (c *conn) sealParts() []byte {
	n, sealed := 0, c.s.sealed[:0]
	for i := 0; i < len(c.parts.pieces) && n < sealMost; i++ {
		for _, p := range c.parts.pieces[i].left(c.s.vectors[:0]) {
			p = p[:min(len(p), sealMost-n)]
			sealed = c.sec.Seal(sealed, p)
			n += len(p)
		}
	}
	c.s.sealed = sealed
	c.pushed(n)
	return sealed
}

// pushSealed is pushSome with TLS.
func (c *conn) pushSealed() syscall.Errno {
	if len(c.out) > 0 {
		n, err := loop.Write(c.fd, c.out)
		if err == 0 {
			c.written(n)
		}
		return err
	}
	p := c.sealParts()
	n, err := loop.Write(c.fd, p)
	if err != 0 {
		n = 0
	}
	if p = p[n:]; len(p) > 0 {
		c.parts.head = append(c.parts.head[:0], p...)
		c.out = c.parts.head
	}
	return err
}

// bye tells the client that nothing follows.
func (c *conn) bye() {
	if c.sec != nil && len(c.out) == 0 {
		_, _ = loop.Write(c.fd, c.sec.Bye()) // it need not have room for it
	}
}

// release makes a connection of Go's of a descriptor that the loop has had, with
// what it has not sent, which is sent now. Where more of the answer follows, nobody
// waits for that: the rest is put where it belongs meanwhile.
func (s *Server) release(fd int, sec *tlsconn.Conn, unsent []byte, follows bool) (net.Conn, error) {
	raw, err := listen.TakeConn(fd)
	if err != nil || sec == nil {
		return raw, err
	}
	if len(unsent) > 0 && follows {
		sec.Attach(raw, func() error { return s.sendRest(raw, unsent) })
		return sec, nil
	}
	if err := s.sendRest(raw, unsent); err != nil {
		raw.Close()
		return nil, err
	}
	_ = raw.SetWriteDeadline(time.Time{}) // what follows fails too
	sec.Attach(raw, nil)
	return sec, nil
}

// sendRest sends records. A client that takes some has more time.
func (s *Server) sendRest(raw net.Conn, p []byte) error {
	for len(p) > 0 {
		if t := s.o.HTTP.WriteTimeout; t > 0 {
			_ = raw.SetWriteDeadline(time.Now().Add(t)) // the write fails too
		}
		n, err := raw.Write(p)
		if p = p[n:]; err != nil && n == 0 {
			return err
		}
	}
	return nil
}

// sealed is a connection's descriptor with TLS as a http2loop.Transport.
type sealed struct {
	socket
	s    *Server
	sec  *tlsconn.Conn
	to   loop.Handler
	out  []byte // records that the client has not taken
	last bool   // nothing follows them
	hung bool   // the client has sent its last byte, or is gone
}

func (t *sealed) serves(h loop.Handler) loop.Handler {
	t.to = h
	return t
}

// Ready implements loop.Handler.
func (t *sealed) Ready(ev loop.Events) {
	t.hung = t.hung || ev&loop.HungUp != 0
	if ev&(loop.Readable|loop.HungUp) != 0 {
		t.sec.Heard()
	}
	if ev&loop.Writable != 0 {
		t.flush()
	}
	if t.to != nil {
		t.to.Ready(ev)
	}
}

// flush writes what the client has not taken; false means that there is more.
func (t *sealed) flush() bool {
	for len(t.out) > 0 {
		n, err := loop.Write(t.fd, t.out)
		if err == unix.EINTR {
			continue
		}
		if err != 0 {
			return false // the next read or write says what is wrong
		}
		t.out = t.out[n:]
	}
	t.out = nil
	if t.last {
		t.socket.CloseWrite()
	}
	return true
}

// Read implements http2loop.Transport.
func (t *sealed) Read(p []byte) (int, syscall.Errno) {
	if t.hung {
		t.sec.Heard() // to its end
	}
	n, err := t.sec.Receive(p)
	if owed := t.sec.Owed(); len(owed) > 0 {
		if t.out = append(t.out, owed...); !t.flush() && len(t.out) > sealMost+owedMost {
			return 0, syscall.EPIPE
		}
	}
	return n, err
}

// Write implements http2loop.Transport.
func (t *sealed) Write(p []byte) (int, syscall.Errno) {
	if !t.flush() {
		return 0, syscall.EAGAIN
	}
	p = p[:min(len(p), sealMost)]
	t.s.sealed = t.sec.Seal(t.s.sealed[:0], p)
	n, err := loop.Write(t.fd, t.s.sealed)
	if err != 0 && err != unix.EAGAIN && err != unix.EINTR {
		return 0, err
	}
	if n = max(n, 0); n < len(t.s.sealed) {
		t.out = append([]byte(nil), t.s.sealed[n:]...)
	}
	return len(p), 0
}

// CloseWrite implements http2loop.Transport.
func (t *sealed) CloseWrite() {
	t.out = append(t.out, t.sec.Bye()...)
	t.last = true
	t.flush()
}

package http1

import (
	"errors"
	"io"
	"os"
	"time"
)

const (
	// DrainIdle is how long an idle connection may still bring a request once
	// the server drains. The answer says that it is the last.
	DrainIdle = time.Second
	// DrainFirst is that time for a connection that was opened less than DrainFirst ago
	// and has brought no request: if it is closed, its client does not try again, as it
	// does with a connection that was kept.
	DrainFirst = 5 * time.Second
	keepFields = 64 // an idle connection keeps no room for more fields
)

// first waits for the first bytes of a request. It holds no buffer meanwhile. If it
// returns io.EOF, the connection ends without an answer.
func (x *serverConn) first() error {
	x.release()
	if !x.beIdle() {
		return io.EOF
	}
	err := x.readFirst()
	if errors.Is(err, os.ErrDeadlineExceeded) && x.pending() {
		// The request came just now, or while this process was stopped. Closing would lose it.
		x.readWithin(DrainIdle)
		err = x.readFirst()
	}
	x.beBusy()
	return err
}

// pending reports whether the socket has unread bytes: of a request, or, over TLS, of
// a record.
func (x *serverConn) pending() bool {
	raw := x.raw
	if raw == nil {
		raw = beneath(x.c.Conn)
	}
	return raw != nil && pending(raw)
}

func (x *serverConn) readFirst() error {
	if x.raw != nil {
		err := x.raw.Read(x.tryRead)
		if err == nil {
			err = x.tryErr
		}
		return err
	}
	n, err := x.c.Read(x.one[:])
	if n > 0 {
		x.in.lend(x.s.blocks.get())
		x.in.w = copy(x.in.buf, x.one[:n])
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// try reads from the socket if there is anything. If not, it gives the buffer back at
// once.
func (x *serverConn) try(fd uintptr) (done bool) {
	p := x.s.blocks.get()
	n, again, err := readSocket(fd, p)
	if n <= 0 {
		x.s.blocks.put(p)
	}
	if again {
		return false
	}
	x.tryErr = err
	switch {
	case n > 0:
		x.in.lend(p)
		x.in.w = n
	case err == nil:
		x.tryErr = io.EOF
	}
	return true
}

// release gives back the memory of the last request.
func (x *serverConn) release() {
	if p := x.in.take(); p != nil {
		x.s.blocks.put(p)
	}
	if x.reply.out != nil {
		x.s.blocks.put(x.reply.out)
		x.reply.out = nil
	}
	if cap(x.head.Fields) > keepFields {
		x.head = RequestHead{}
	}
}

// beIdle sets the deadline for the start of the next request. A connection's first
// request has as long as a head. It returns false if no request may follow.
func (x *serverConn) beIdle() bool {
	wait := x.s.KeepAlive
	if x.reply.served == 0 {
		wait = x.s.HeaderTimeout
	} else if wait <= 0 {
		return false
	}
	x.hurried.Lock()
	defer x.hurried.Unlock()
	x.idle = true
	x.s.idle.Add(1)
	if x.s.draining.Load() {
		wait = x.parting(wait)
	}
	x.readWithin(wait)
	return true
}

// parting is how long the connection may be idle once the server drains; otherwise it
// could be so for wait.
func (x *serverConn) parting(wait time.Duration) time.Duration {
	most := DrainIdle
	if x.reply.served == 0 && time.Since(x.opened) < DrainFirst {
		most = DrainFirst
	}
	if wait <= 0 || wait > most {
		return most
	}
	return wait
}

func (x *serverConn) beBusy() {
	x.hurried.Lock()
	defer x.hurried.Unlock()
	x.idle = false
	x.s.idle.Add(-1)
	if x.s.draining.Load() {
		x.readBy = pastDeadline // hurry may have set another deadline
	}
}

// hurry shortens an idle connection's deadline, since the server drains.
func (x *serverConn) hurry() {
	x.hurried.Lock()
	defer x.hurried.Unlock()
	if x.idle {
		_ = x.c.SetReadDeadline(time.Now().Add(x.parting(0))) // fails only if it is closed, which is fine
	}
}

package proxy

import (
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"golang.org/x/sys/unix"
)

// loopConn is a connection to a worker that the loop has. It is used by one call at a
// time.
type loopConn struct {
	worker    *worker
	fd        int
	call      *Call // nil while it is idle
	connected bool
	reused    bool
	more      bool // there may be something to read
	hungUp    bool
	broken    bool  // it cannot be used again
	heard     bool  // the worker has said something since the request
	promised  bool  // whether the worker promises to keep it was looked at
	failed    error // of the last read; nil after one that was none
	keepAlive time.Duration
	expires   time.Time
	deadline  loop.Deadline
}

// loopConns are the loop's connections to one worker.
type loopConns struct {
	all  map[*loopConn]struct{}
	idle []*loopConn // the one used last at the end
}

// take returns an idle connection, nil when there is none.
func (s *loopConns) take(now time.Time) *loopConn {
	for n := len(s.idle); n > 0; n = len(s.idle) {
		l := s.idle[n-1]
		s.idle[n-1] = nil
		s.idle = s.idle[:n-1]
		l.deadline.Disarm()
		if l.expires.IsZero() || now.Before(l.expires) {
			l.reused = true
			return l
		}
		l.close()
	}
	return nil
}

// drop takes a connection out of those that are idle.
func (s *loopConns) drop(l *loopConn) {
	for i, other := range s.idle {
		if other == l {
			s.idle = append(s.idle[:i], s.idle[i+1:]...)
			return
		}
	}
}

// dialLink begins to connect.
func (w *worker) dialLink() (*loopConn, error) {
	w.mu.Lock()
	to := sockaddr(w.spec.Network, w.spec.Address)
	w.mu.Unlock()
	if to == nil {
		return nil, errNoAddress
	}
	fd, done, err := dialSocket(to)
	if err != nil {
		return nil, err
	}
	l := &loopConn{worker: w, fd: fd, connected: done}
	l.deadline.Owner = l
	watch := w.b.Loop.Watch
	if done {
		watch = w.b.Loop.WatchInput
	}
	if err := watch(fd, l); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("connect: %w", err)
	}
	w.links.all[l] = struct{}{}
	w.linked(1)
	return l, nil
}

// Ready implements loop.Handler.
func (l *loopConn) Ready(ev loop.Events) {
	l.hungUp = l.hungUp || ev&loop.HungUp != 0
	l.more = l.more || ev&(loop.Readable|loop.HungUp) != 0
	c := l.call
	switch {
	case c == nil && l.more: // closed, or spoken on, while it was idle
		l.close()
	case c == nil:
	case !l.connected:
		l.arrive(c)
	default:
		if ev&loop.Writable != 0 && len(c.rest) > 0 {
			c.write()
		}
		if l.more && !c.paused {
			c.read()
		}
	}
}

// arrive is called when the connection has come about, or has not.
func (l *loopConn) arrive(c *Call) {
	if !connected(l.fd) {
		c.Promote()
		return
	}
	l.connected, l.more = true, false
	l.deadline.Disarm()
	l.worker.reached()
	c.ask(l)
}

// Expired implements loop.Expirer: the connection was idle for too long, or did
// not come about.
func (l *loopConn) Expired(*loop.Deadline) {
	if l.call != nil {
		l.call.Promote()
		return
	}
	l.close()
}

// Read implements io.Reader for a response: it does not wait.
func (l *loopConn) Read(p []byte) (int, error) {
	for l.more {
		n, errno := loop.Read(l.fd, p)
		switch {
		case errno == syscall.EINTR:
			continue
		case errno == syscall.EAGAIN:
			l.more = false
			return 0, http1.ErrDry
		case errno != 0:
			l.failed = os.NewSyscallError("read", errno)
			return 0, l.failed
		case n == 0:
			l.failed = io.EOF
			return 0, l.failed
		}
		l.more, l.heard = n == len(p) || l.hungUp, true
		return n, nil
	}
	return 0, http1.ErrDry
}

// silent reports whether the worker has neither closed the connection nor spoken on
// it. What it says later goes for an answer.
func (l *loopConn) silent() bool {
	var one [1]byte
	_, errno := loop.Read(l.fd, one[:])
	l.more = false
	return errno == syscall.EAGAIN
}

// promise takes note of how long the worker keeps the connection.
func (l *loopConn) promise(h *http1.ResponseHead) {
	if !l.promised {
		l.promised, l.keepAlive = true, promised(http1.Get(h.Fields, "keep-alive"))
	}
}

// keep keeps the connection for the next request, if it is of use.
func (l *loopConn) keep() {
	w := l.worker
	if l.hungUp || l.broken || l.more && !l.silent() || len(w.links.idle) >= int(w.keeps.Load()) {
		l.close()
		return
	}
	if l.keepAlive > 0 {
		l.expires = w.b.Loop.Now().Add(l.keepAlive)
	}
	w.links.idle = append(w.links.idle, l)
	w.b.unused.Arm(&l.deadline)
}

// leave takes the connection out of the loop. It stays open.
func (l *loopConn) leave() {
	l.deadline.Disarm()
	l.worker.b.Loop.Forget(l.fd)
	l.worker.links.drop(l)
	delete(l.worker.links.all, l)
	l.worker.linked(-1)
}

func (l *loopConn) close() {
	l.leave()
	l.discard()
}

// discard closes a connection that has left the loop.
func (l *loopConn) discard() { unix.Close(l.fd) }

// watchOutput has the loop tell when the worker takes more.
func (l *loopConn) watchOutput() error {
	l.worker.b.Loop.Forget(l.fd)
	return l.worker.b.Loop.Watch(l.fd, l)
}

package http1

import (
	"net"
	"syscall"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"golang.org/x/sys/unix"
)

// probeAfter is how long a client that has ended its side may wait for its answer
// before it is sent something, to find out whether it is still there.
const probeAfter = 500 * time.Millisecond

// half is called when a client has ended its side. Such a client either waits for its
// answer (RFC 9293, 3.6), or has closed the connection. Over TCP both look the same
// until something is sent: a client that has closed then resets the connection. half
// waits for that.
func (w *watcher) half() {
	x := w.x
	x.reply.lastOne()
	raw := beneath(x.c.Conn)
	if raw == nil {
		return // a write will fail
	}
	gone, over := w.hangup(raw, time.Now().Add(probeAfter))
	if !gone && !over {
		x.reply.probe()
		gone, _ = w.hangup(raw, time.Time{})
	}
	if gone {
		w.gone(gateway.ErrClientGone)
	}
}

// hangup waits until a connection is reset or closed in both directions; gone says that
// it was. over says that the request has ended meanwhile.
func (w *watcher) hangup(raw syscall.RawConn, until time.Time) (gone, over bool) {
	w.mu.Lock()
	if !w.on {
		w.mu.Unlock()
		return false, true
	}
	_ = w.x.c.SetReadDeadline(until) // if this fails, so does the wait
	w.mu.Unlock()
	err := raw.Read(hungUp)
	w.mu.Lock()
	defer w.mu.Unlock()
	return err == nil && w.on, !w.on
}

// hungUp reports whether nothing more can be sent on a socket.
func hungUp(fd uintptr) bool {
	fds := []unix.PollFd{{Fd: int32(fd)}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0 && fds[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0
}

// beneath returns the socket below a connection, or nil.
func beneath(c net.Conn) syscall.RawConn {
	for {
		switch on := c.(type) {
		case interface{ NetConn() net.Conn }:
			c = on.NetConn()
		case syscall.Conn:
			raw, err := on.SyscallConn()
			if err != nil {
				return nil
			}
			return raw
		default:
			return nil
		}
	}
}

// lastOne records that no request can follow.
func (r *reply) lastOne() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = true
}

// probe sends something that changes nothing. Before the head that is an interim
// response, which every HTTP/1.1 client must accept (RFC 9110, 15.2). In a chunked
// body it is a leading zero of the next chunk's size (RFC 9112, 7.1). Otherwise
// nothing can be sent, and only the app's next part will show.
func (r *reply) probe() {
	r.wire.Lock()
	defer r.wire.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.gone != nil || r.ended || r.upgraded:
		return
	case !r.headed && r.x.head.Minor > 0:
		r.awaits = false
		if r.x.write(continueLine) != nil {
			_ = r.clientGone()
		}
	case r.flushed && r.chunked:
		err := r.x.write(append(r.out, '0'))
		r.out = r.out[:0]
		if err != nil {
			_ = r.clientGone()
		}
	}
}

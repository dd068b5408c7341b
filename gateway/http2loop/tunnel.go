package http2loop

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	h2 "golang.org/x/net/http2"
)

// tunnel is a stream as a net.Conn, after an extended CONNECT.
type tunnel struct {
	t *task

	writing sync.Mutex // one write at a time
	writeBy atomic.Pointer[time.Time]
	shut    bool // nothing more is sent; guarded by writing
	closed  atomic.Bool
	over    chan struct{} // closed by Close
}

func newTunnel(t *task) *tunnel { return &tunnel{t: t, over: make(chan struct{})} }

// Read implements net.Conn.
func (u *tunnel) Read(p []byte) (int, error) {
	b := u.t.body
	return b.take(p, func() time.Time {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.until
	})
}

// Write implements net.Conn. It returns when p has been sent.
func (u *tunnel) Write(p []byte) (int, error) {
	u.writing.Lock()
	defer u.writing.Unlock()
	switch {
	case u.shut || u.closed.Load():
		return 0, net.ErrClosed
	case len(p) == 0:
		return 0, nil
	}
	o := &part{p: p, done: make(chan error, 1)}
	u.t.do(func(st *stream) {
		if st == nil {
			o.finish(gateway.ErrClientGone)
			return
		}
		st.say(o)
	})
	return u.wait(o)
}

// wait waits until a part was sent, the deadline passes, or the tunnel is closed.
func (u *tunnel) wait(o *part) (int, error) {
	tick := time.NewTimer(u.checkInterval())
	defer tick.Stop()
	for {
		select {
		case err := <-o.done:
			if err != nil {
				return 0, err
			}
			return len(o.p), nil
		case <-u.over:
			return u.takeBack(o, net.ErrClosed)
		case <-tick.C:
			if by := u.writeBy.Load(); by != nil && !by.IsZero() && time.Now().After(*by) {
				return u.takeBack(o, errLate)
			}
			tick.Reset(u.checkInterval())
		}
	}
}

// deadlineCheck is how often a waiting write checks its deadline, which may be set
// meanwhile.
const deadlineCheck = 200 * time.Millisecond

func (u *tunnel) checkInterval() time.Duration {
	by := u.writeBy.Load()
	if by == nil || by.IsZero() {
		return deadlineCheck
	}
	return max(time.Millisecond, min(deadlineCheck, time.Until(*by)+time.Millisecond))
}

// takeBack takes what was not sent back from the loop, since the memory belongs to
// Write's caller.
func (u *tunnel) takeBack(o *part, err error) (int, error) {
	n := 0
	done := make(chan struct{})
	u.t.do(func(st *stream) {
		defer close(done)
		if st != nil && st.pending == o {
			n = len(o.p) - st.c.wire.TakeBack(&st.Stream)
			st.pending = nil
		}
	})
	<-done
	u.shut = true // half a WebSocket frame may have been sent
	return n, err
}

// CloseWrite tells the client that nothing more comes.
func (u *tunnel) CloseWrite() error {
	u.writing.Lock()
	defer u.writing.Unlock()
	if u.shut || u.closed.Load() {
		return nil
	}
	u.shut = true
	u.t.do(func(st *stream) {
		if st != nil {
			st.say(&part{end: true})
		}
	})
	return nil
}

// Close implements net.Conn.
func (u *tunnel) Close() error {
	if u.closed.Swap(true) {
		return nil
	}
	close(u.over)
	_ = u.t.body.fail(net.ErrClosed)
	u.t.do(func(st *stream) {
		switch {
		case st == nil:
		case st.pending == nil && !st.Ended():
			st.Tunnel = false // what the client still sends is not wanted
			st.say(&part{end: true})
		case st.pending == nil:
			st.c.wire.Reset(&st.Stream, h2.ErrCodeNo)
		default:
			st.c.wire.Reset(&st.Stream, h2.ErrCodeCancel)
		}
	})
	return nil
}

// HungUp reports whether the client has ended the stream or its side of it.
func (u *tunnel) HungUp() bool {
	b := u.t.body
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err != nil
}

// SetDeadline implements net.Conn.
func (u *tunnel) SetDeadline(t time.Time) error {
	_ = u.SetReadDeadline(t)
	return u.SetWriteDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (u *tunnel) SetReadDeadline(t time.Time) error {
	b := u.t.body
	b.mu.Lock()
	b.until = t
	b.mu.Unlock()
	b.wake()
	return nil
}

// SetWriteDeadline implements net.Conn.
func (u *tunnel) SetWriteDeadline(t time.Time) error {
	u.writeBy.Store(&t)
	return nil
}

// LocalAddr implements net.Conn.
func (u *tunnel) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(u.t.req.Local) }

// RemoteAddr implements net.Conn.
func (u *tunnel) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(u.t.req.Remote) }

package workers

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// silentTimeout is how long a new connection that sends nothing keeps its place,
// if the class lends places.
const silentTimeout = 100 * time.Millisecond

// conn is a client's connection and the place that it may hold.
type conn struct {
	net.Conn
	drain   *Drain
	waiting atomic.Bool // it has sent nothing of its next request yet
	request *Request    // in flight; only the connection's own goroutine uses it

	label    string // the label for that goroutine, from its start
	labelled bool   // the goroutine has the label

	mu      sync.Mutex
	timer   *time.Timer // for what happens if the client sends nothing
	placed  bool        // it has a place
	serving bool        // it needs a place
	gone    bool
}

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && c.waiting.Load() {
		c.waiting.Store(false)
	}
	return n, err
}

// Close implements net.Conn. It also gives back the connection's place.
func (c *conn) Close() error {
	c.mu.Lock()
	if c.gone {
		c.mu.Unlock()
		return nil
	}
	c.gone = true
	placed := c.placed
	c.placed = false
	if c.timer != nil {
		c.timer.Stop()
	}
	c.mu.Unlock()
	err := c.Conn.Close()
	if placed {
		c.drain.places.put()
	}
	c.drain.open.put()
	c.drain.forget(c)
	return err
}

// after schedules do in place of what was scheduled before. It does not run if
// the connection has ended by then.
func (c *conn) after(d time.Duration, do func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return
	}
	if c.timer != nil {
		c.timer.Stop()
	}
	c.timer = time.AfterFunc(d, do)
}

// lastCall closes the connection if it still waits for a request after linger.
// If it has a request by then, the connection closes with the answer, or gets
// another last call after it.
func (c *conn) lastCall() {
	c.after(linger, func() {
		if c.waiting.Load() {
			_ = c.Close() // it has nothing in flight
		}
	})
}

// lend gives the place back as long as no request needs it.
func (c *conn) lend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.placed && !c.serving {
		c.placed = false
		c.drain.places.put()
	}
}

// begin waits for a place, if the connection has none, and keeps it for the
// request.
func (c *conn) begin() {
	c.mu.Lock()
	c.serving = true
	placed := c.placed
	c.mu.Unlock()
	if placed || !c.drain.places.take(c.drain.stopped) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		c.drain.places.put()
		return
	}
	c.placed = true
}

// rest notes that the connection has no request in flight.
func (c *conn) rest() {
	c.mu.Lock()
	c.serving = false
	c.mu.Unlock()
	c.lend()
}

// ReadFrom implements io.ReaderFrom: it keeps sendfile(2) for files.
func (c *conn) ReadFrom(r io.Reader) (int64, error) {
	if rf, ok := c.Conn.(io.ReaderFrom); ok {
		return rf.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{c.Conn}, r)
}

// CloseWrite lets net/http end an answer without resetting the connection.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// SyscallConn implements syscall.Conn.
func (c *conn) SyscallConn() (syscall.RawConn, error) {
	if sc, ok := c.Conn.(syscall.Conn); ok {
		return sc.SyscallConn()
	}
	return nil, syscall.EINVAL
}

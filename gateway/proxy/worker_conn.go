package proxy

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gonicorn/gonicorn/gateway/http1"
)

var (
	// errStale says that an idle connection was closed, or spoken on, by the
	// worker: nothing has been written to it.
	errStale = errors.New("connection was closed while idle")
	// errReaped says that the worker's process has been reaped.
	errReaped = errors.New("process ended")
)

// orphanGrace is how long what a dead worker has sent may take to arrive.
const orphanGrace = 500 * time.Millisecond

// workerConn is one connection to a worker, used by one request at a time.
//
// A read and the write before it are one step through the poller, so that a
// request costs no system call more for looking whether the worker has closed
// the connection meanwhile: the read that would fail with EAGAIN anyhow is made
// before the request is written.
type workerConn struct {
	net.Conn
	worker    *worker
	raw       syscall.RawConn
	step      func(fd uintptr) bool
	kill      func()
	closed    atomic.Bool
	reused    bool
	expires   int64         // as an idle connection
	keepAlive time.Duration // what the worker has promised, less a margin; 0 for nothing
	asked     bool          // whether it has was looked at

	currentStep
}

// currentStep is the step in progress.
type currentStep struct {
	request []byte // to write once the connection has proved to be silent
	wrote   int    // of it
	into    []byte
	n       int
	err     error
	mayDry  bool
}

func newWorkerConn(w *worker, nc net.Conn) (*workerConn, error) {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil, err
	}
	c := &workerConn{Conn: nc, worker: w, raw: raw}
	c.step, c.kill = c.poll, c.discard
	return c, nil
}

// discard closes the connection; twice does no harm, nor does nil.
func (c *workerConn) discard() {
	if c == nil || c.closed.Swap(true) {
		return
	}
	c.Close()
	c.worker.forget(c)
}

// write sends a request's first bytes, if the connection is still silent: else
// it fails with errStale, and nothing has been written.
func (c *workerConn) write(p []byte) error {
	c.request, c.into, c.wrote = p, nil, 0
	if err := c.run(); err != nil {
		return err
	}
	return c.writeRest()
}

// writeRest sends what did not fit into the socket's buffer.
func (c *workerConn) writeRest() error {
	rest := c.request
	c.request = nil
	if len(rest) == 0 {
		return nil
	}
	n, err := c.Conn.Write(rest)
	c.wrote += n
	return err
}

// exchange writes a request as write does, and reads the first bytes of what
// comes back into p.
func (c *workerConn) exchange(request, p []byte) (int, error) {
	c.request, c.into, c.wrote, c.mayDry = request, p, 0, false
	if err := c.run(); err != nil {
		return 0, err
	}
	if c.n > 0 {
		return c.n, nil
	}
	if err := c.writeRest(); err != nil {
		return 0, err
	}
	return c.Read(p)
}

// Read implements net.Conn.
func (c *workerConn) Read(p []byte) (int, error) { return c.read(p, false) }

// read fails with http1.ErrDry instead of waiting, if it may.
func (c *workerConn) read(p []byte, mayDry bool) (int, error) {
	c.request, c.into, c.mayDry = nil, p, mayDry
	err := c.run()
	return c.n, err
}

// run goes through the poller. The deadline is only ever set when the worker's
// process has been reaped: then it goes on as long as something arrives.
func (c *workerConn) run() error {
	for graced := false; ; graced = true {
		c.n, c.err = 0, nil
		err := c.raw.Read(c.step)
		if err == nil {
			return c.err
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) || !c.worker.gone.Load() {
			return err
		}
		if graced || c.request != nil {
			return errReaped
		}
		_ = c.SetReadDeadline(time.Now().Add(orphanGrace))
	}
}

// poll is called by the poller until it returns true: first at once, then
// whenever there is something to read.
func (c *workerConn) poll(fd uintptr) bool {
	if c.request != nil {
		if !c.send(fd) || c.into == nil {
			return true
		}
		c.request = nil
		return false // whatever arrives after the read that send began with wakes the poller
	}
	for {
		n, err := syscall.Read(int(fd), c.into)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN && c.mayDry:
			c.err = http1.ErrDry
			return true
		case err == syscall.EAGAIN:
			return false
		case err != nil:
			c.err = os.NewSyscallError("read", err)
		case n == 0:
			c.err = io.EOF
		default:
			c.n = n
		}
		return true
	}
}

// send writes the request and reports whether that is done.
func (c *workerConn) send(fd uintptr) bool {
	var one [1]byte
	if _, err := retry(syscall.Read, fd, one[:]); err != syscall.EAGAIN {
		c.err = errStale
		return false
	}
	n, err := retry(syscall.Write, fd, c.request)
	switch {
	case err == syscall.EAGAIN:
		return false // writeRest waits for room
	case err == syscall.EPIPE || err == syscall.ECONNRESET:
		c.err = errStale
		return false
	case err != nil:
		c.err = os.NewSyscallError("write", err)
		return false
	}
	c.wrote += n
	c.request = c.request[n:]
	return len(c.request) == 0
}

func retry(call func(int, []byte) (int, error), fd uintptr, p []byte) (int, error) {
	for {
		if n, err := call(int(fd), p); err != syscall.EINTR {
			return n, err
		}
	}
}

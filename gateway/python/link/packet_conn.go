package link

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gonicorn/gonicorn/internal/memfile"
	"github.com/gonicorn/gonicorn/internal/packet"
	"golang.org/x/sys/unix"
)

// PacketConn is one end of a worker's socket. Every send is one message, and every
// receive takes one, with the descriptors that came with it (internal/packet).
type PacketConn struct {
	file *os.File
	raw  syscall.RawConn

	sending sync.Mutex // guards out
	out     outgoing
	in      incoming    // used by the one reader
	waiting atomic.Bool // the reader has taken everything, and waits
}

// outgoing and incoming have the arguments and results of one call. So the functions
// that the poller calls need no closure for each call.
type outgoing struct {
	packet.Out
	p, oob []byte
	err    error
	call   func(fd uintptr) bool
}

type incoming struct {
	packet.In
	p, oob []byte
	got    packet.Taken
	err    error
	last   bool // nothing more will be sent: do not wait
	call   func(fd uintptr) bool
}

// NewPacketConn takes over fd: Close closes it.
func NewPacketConn(fd int) (*PacketConn, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, fmt.Errorf("use socket %d: %w", fd, err)
	}
	file := os.NewFile(uintptr(fd), "worker")
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("use socket %d: %w", fd, err)
	}
	c := &PacketConn{file: file, raw: raw}
	c.in.oob = make([]byte, unix.CmsgSpace(4*4))
	c.out.call = c.sendOnce
	c.in.call = c.receiveOnce
	return c, nil
}

// Close ends a Receive or Send in progress with os.ErrClosed.
func (c *PacketConn) Close() error { return c.file.Close() }

// Send sends one message and waits until it fits into the socket's buffer. The
// descriptors are borrowed.
func (c *PacketConn) Send(p []byte, fds ...int) error {
	c.sending.Lock()
	defer c.sending.Unlock()
	c.out.p, c.out.oob, c.out.err = p, nil, nil
	if len(fds) > 0 {
		c.out.oob = unix.UnixRights(fds...)
	}
	if err := c.raw.Write(c.out.call); err != nil {
		return fmt.Errorf("send to worker: %w", err)
	}
	if c.out.err != nil {
		return fmt.Errorf("send to worker: %w", c.out.err)
	}
	return nil
}

func (c *PacketConn) sendOnce(fd uintptr) bool {
	c.out.err = c.out.Put(int(fd), c.out.p, c.out.oob)
	return c.out.err != unix.EAGAIN
}

// Receive takes one message into p, with at most one descriptor, which then belongs to
// the caller; -1 means none. It returns io.EOF once the other end is closed and
// everything that was sent has been received. One goroutine may receive at a time.
func (c *PacketConn) Receive(p []byte) (n, fd int, err error) {
	c.in.p = p
	read := c.raw.Read
	if c.in.last {
		read = c.readOnce
	}
	err = read(c.in.call)
	if errors.Is(err, os.ErrDeadlineExceeded) { // Finish sets the deadline
		c.in.last = true
		err = c.readOnce(c.in.call)
	}
	if err != nil {
		return 0, -1, fmt.Errorf("receive from worker: %w", err)
	}
	if c.in.last && errors.Is(c.in.err, unix.EAGAIN) {
		return 0, -1, io.EOF
	}
	if c.in.err != nil {
		return 0, -1, fmt.Errorf("receive from worker: %w", c.in.err)
	}
	fd = passed(c.in.oob[:c.in.got.OOB])
	if c.in.got.N == 0 {
		return 0, fd, io.EOF
	}
	if c.in.got.Cut {
		return c.in.got.N, fd, fmt.Errorf("receive from worker: %w", ErrLong)
	}
	return c.in.got.N, fd, nil
}

// readOnce calls f once and does not wait.
func (c *PacketConn) readOnce(f func(fd uintptr) bool) error {
	return c.raw.Control(func(fd uintptr) { f(fd) })
}

// receiveOnce tries to receive. False asks the poller to call it again when something
// has come. A peer that closes its end without having read everything resets the
// connection. The kernel reports that error once, before the messages that the peer
// has sent.
func (c *PacketConn) receiveOnce(fd uintptr) bool {
	c.waiting.Store(false)
	for {
		c.in.got, c.in.err = c.in.Take(int(fd), c.in.p, c.in.oob, false)
		switch c.in.err {
		case unix.ECONNRESET:
			continue
		case unix.EAGAIN:
			c.waiting.Store(true)
			return false
		}
		return true
	}
}

// Finish says that nobody sends on the socket any more. Receive returns what is there,
// and then io.EOF; it does not wait.
func (c *PacketConn) Finish() error { return c.file.SetReadDeadline(time.Unix(1, 0)) }

// Settled reports whether everything that had been sent before the call has
// been received, and its receiver is back for more.
func (c *PacketConn) Settled() bool {
	// The order matters: a receiver that has taken a message from the socket does not
	// count as waiting until it is back.
	var n int
	var err error
	if c.raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), fionread) }) != nil || err != nil {
		return false
	}
	return n == 0 && c.waiting.Load()
}

// passed returns the first descriptor of a control message, or -1, and closes others.
func passed(oob []byte) int {
	first := -1
	for i, fd := range packet.Files(oob) {
		if i == 0 {
			first = fd
			continue
		}
		unix.Close(fd)
	}
	return first
}

// memfd returns a file in memory with p, to be passed to the other side.
func memfd(p []byte) (*os.File, error) {
	fd, err := memfile.New("gonicorn-message", 0)
	if err != nil {
		return nil, fmt.Errorf("hold long message: %w", err)
	}
	f := os.NewFile(uintptr(fd), "message")
	if _, err := f.WriteAt(p, 0); err != nil {
		f.Close()
		return nil, fmt.Errorf("hold long message: %w", err)
	}
	return f, nil
}

// rawFD returns f's descriptor. It does not set blocking mode, as File.Fd used to do.
// f must stay open.
func rawFD(f *os.File) (int, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	n := -1
	err = raw.Control(func(fd uintptr) { n = int(fd) })
	return n, err
}

package workers

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// wait returns when a connection may be waiting, or the listener is closed.
func (d *Listener) wait() error {
	if d.raw == nil || d.coming != nil {
		return nil
	}
	return d.raw.Read(func(fd uintptr) bool {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 0)
		return n > 0 || (err != nil && !errors.Is(err, unix.EINTR))
	})
}

// try accepts a connection that is waiting. It returns nil and no error when
// another worker has taken it.
func (d *Listener) try() (net.Conn, error) {
	if d.raw == nil {
		return d.Listener.Accept()
	}
	if d.coming != nil {
		return d.serve()
	}
	fd, errno := -1, error(nil)
	err := d.raw.Control(func(l uintptr) {
		fd, errno = accept(int(l))
	})
	switch {
	case err != nil:
		return nil, err
	case errors.Is(errno, unix.EAGAIN), errors.Is(errno, unix.ECONNABORTED), errors.Is(errno, unix.EINTR):
		return nil, nil // nobody is there
	case errno != nil:
		return nil, &net.OpError{Op: "accept", Net: d.Addr().Network(), Addr: d.Addr(), Err: os.NewSyscallError("accept", errno)}
	}
	d.coming = os.NewFile(uintptr(fd), "connection")
	return d.serve()
}

// serve makes a connection of the descriptor that was accepted, with the
// options that net gives those that it accepts itself. It keeps the descriptor
// when there is none left for the duplicate that net.FileConn makes.
func (d *Listener) serve() (net.Conn, error) {
	c, err := net.FileConn(d.coming)
	if err != nil && isShortage(err) {
		return nil, fmt.Errorf("accept: %w", err)
	}
	d.turnAway() // FileConn works on a duplicate
	if err != nil {
		return nil, fmt.Errorf("accept: %w", err)
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		// A client that is gone already shows at the first read.
		_ = tcp.SetNoDelay(true)
		_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: probe, Interval: probe, Count: 9})
	}
	return c, nil
}

const probe = 15 * time.Second // as in net

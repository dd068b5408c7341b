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
func (d *door) wait() error {
	if d.raw == nil {
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
func (d *door) try() (net.Conn, error) {
	if d.raw == nil {
		return d.Listener.Accept()
	}
	fd, errno := -1, error(nil)
	err := d.raw.Control(func(l uintptr) {
		fd, _, errno = unix.Accept4(int(l), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	})
	switch {
	case err != nil:
		return nil, err
	case errors.Is(errno, unix.EAGAIN), errors.Is(errno, unix.ECONNABORTED), errors.Is(errno, unix.EINTR):
		return nil, nil //nolint:nilnil // nobody is there
	case errno != nil: // net/http waits and tries again when it is temporary, as EMFILE is
		return nil, &net.OpError{Op: "accept", Net: d.Addr().Network(), Addr: d.Addr(), Err: os.NewSyscallError("accept4", errno)}
	}
	return connOf(fd)
}

// connOf makes a connection of a descriptor, which it takes over, with the
// options that net gives those that it accepts itself.
func connOf(fd int) (net.Conn, error) {
	file := os.NewFile(uintptr(fd), "connection")
	defer file.Close() // FileConn works on a duplicate
	c, err := net.FileConn(file)
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

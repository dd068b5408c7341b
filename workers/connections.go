package workers

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// wait returns when a connection may be pending, or the listener is closed.
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

// try accepts a pending connection. It returns nil and no error if another
// worker has taken it.
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
		return nil, nil // no connection is pending
	case errno != nil:
		return nil, &net.OpError{Op: "accept", Net: d.Addr().Network(), Addr: d.Addr(), Err: os.NewSyscallError("accept", errno)}
	}
	d.coming = os.NewFile(uintptr(fd), "connection")
	return d.serve()
}

// serve makes a connection of the accepted descriptor, with the options that
// package net sets on those that it accepts. net.FileConn needs a second
// descriptor for a while. If there is none left, serve keeps the first for later.
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
		// The first read shows if the client has gone already.
		_ = tcp.SetNoDelay(true)
		_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: probe, Interval: probe, Count: 9})
	}
	return c, nil
}

const probe = 15 * time.Second // as in package net

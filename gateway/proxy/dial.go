package proxy

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// sockaddr is where a worker listens, as the kernel has it; nil where only Go's
// resolver knows.
func sockaddr(network, at string) unix.Sockaddr {
	if network == "unix" {
		return &unix.SockaddrUnix{Name: at}
	}
	ap, err := netip.ParseAddrPort(at)
	switch {
	case err != nil || ap.Addr().Zone() != "":
		return nil
	case ap.Addr().Unmap().Is4():
		return &unix.SockaddrInet4{Port: int(ap.Port()), Addr: ap.Addr().Unmap().As4()}
	}
	return &unix.SockaddrInet6{Port: int(ap.Port()), Addr: ap.Addr().As16()}
}

// dialSocket begins to connect a socket that does not block; done says that it is
// connected already.
func dialSocket(to unix.Sockaddr) (fd int, done bool, err error) {
	if fd, err = newSocket(to); err != nil {
		return -1, false, err
	}
	err = unix.Connect(fd, to)
	if err == nil || errors.Is(err, unix.EINPROGRESS) {
		return fd, err == nil, nil
	}
	unix.Close(fd)
	return -1, false, fmt.Errorf("connect: %w", err)
}

func newSocket(to unix.Sockaddr) (fd int, err error) {
	family := unix.AF_UNIX
	switch to.(type) {
	case *unix.SockaddrInet4:
		family = unix.AF_INET
	case *unix.SockaddrInet6:
		family = unix.AF_INET6
	}
	syscall.ForkLock.RLock() // between the making and the marking nobody forks
	if fd, err = unix.Socket(family, unix.SOCK_STREAM, 0); err == nil {
		unix.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return -1, fmt.Errorf("make socket: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("make socket: %w", err)
	}
	if family != unix.AF_UNIX {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // a socket without is slower, no more
	}
	return fd, nil
}

// connected reports whether a connection that was begun has come about.
func connected(fd int) bool {
	failed, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil || failed != 0 {
		return false
	}
	_, err = unix.Getpeername(fd)
	return err == nil
}

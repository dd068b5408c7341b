//go:build !portable

package http1loop

import (
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// iovecs is memory for the arguments of writev.
type iovecs struct {
	list [mostVectors]unix.Iovec
	msg  unix.Msghdr
}

// writev is sendmsg(2) of several pieces of memory, without SIGPIPE.
func (s *Server) writev(fd int, pieces [][]byte) (int, syscall.Errno) {
	v := &s.iovecs
	for i, p := range pieces {
		v.list[i].Base = &p[0]
		v.list[i].SetLen(len(p))
	}
	v.msg.Iov = &v.list[0]
	v.msg.SetIovlen(len(pieces))
	n, _, err := syscall.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&v.msg)), unix.MSG_NOSIGNAL)
	clear(v.list[:len(pieces)])
	return int(n), err
}

// acceptConn takes a connection, which does not block; a unix socket's peer has no
// address.
func acceptConn(fd int) (int, netip.AddrPort, error) {
	c, from, err := unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	if err != nil {
		return -1, netip.AddrPort{}, err
	}
	return c, addrPort(from), nil
}

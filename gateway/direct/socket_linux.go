package direct

import (
	"net"
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const keepIdle = unix.TCP_KEEPIDLE

// Calls that cannot block are made without telling the scheduler.

func read(fd int, p []byte) (int, syscall.Errno) {
	n, _, err := syscall.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	return int(n), err
}

// write is send(2): without SIGPIPE.
func write(fd int, p []byte) (int, syscall.Errno) {
	n, _, err := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), unix.MSG_NOSIGNAL, 0, 0)
	return int(n), err
}

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

// accept takes a connection, which does not block; a unix socket's peer has no
// address.
func accept(fd int) (int, netip.AddrPort, error) {
	c, from, err := unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	if err != nil {
		return -1, netip.AddrPort{}, err
	}
	return c, addrPort(from), nil
}

func localAddr(fd int) netip.AddrPort {
	at, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}
	}
	return addrPort(at)
}

func addrPort(a unix.Sockaddr) netip.AddrPort {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
	}
	return netip.AddrPort{}
}

// toNet makes a connection of Go's of a descriptor, which it closes.
func toNet(fd int) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "connection")
	defer f.Close()
	return net.FileConn(f)
}

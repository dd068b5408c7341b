//go:build !linux || portable

package http1loop

import (
	"net/netip"
	"syscall"

	"github.com/gonicorn/gonicorn/gateway/loop"
	"golang.org/x/sys/unix"
)

type iovecs struct{}

// writev is sendmsg(2) of several parts.
func (s *Server) writev(fd int, parts [][]byte) (int, syscall.Errno) {
	n, err := unix.SendmsgBuffers(fd, parts, nil, nil, 0)
	return n, loop.Number(err)
}

// acceptConn takes a connection, which does not block; a unix socket's peer has no
// address.
func acceptConn(fd int) (int, netip.AddrPort, error) {
	syscall.ForkLock.RLock() // between the making and the marking nobody forks
	defer syscall.ForkLock.RUnlock()
	c, from, err := unix.Accept(fd)
	if err != nil {
		return -1, netip.AddrPort{}, err
	}
	unix.CloseOnExec(c)
	if err := unix.SetNonblock(c, true); err != nil {
		unix.Close(c)
		return -1, netip.AddrPort{}, err
	}
	return c, addrPort(from), nil
}

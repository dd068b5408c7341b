//go:build !linux

package direct

import (
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

const keepIdle = unix.TCP_KEEPALIVE

// There is no event loop on these systems yet: nothing here is called.

func read(int, []byte) (int, syscall.Errno)  { return 0, syscall.ENOTSUP }
func write(int, []byte) (int, syscall.Errno) { return 0, syscall.ENOTSUP }

type iovecs struct{}

func (s *Server) writev(int, [][]byte) (int, syscall.Errno) { return 0, syscall.ENOTSUP }

func accept(int) (int, netip.AddrPort, error) { return -1, netip.AddrPort{}, syscall.ENOTSUP }
func localAddr(int) netip.AddrPort            { return netip.AddrPort{} }
func toNet(int) (net.Conn, error)             { return nil, syscall.ENOTSUP }

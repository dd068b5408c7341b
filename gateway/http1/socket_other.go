//go:build !linux

package http1

import (
	"errors"
	"net"
	"syscall"
)

func rawSocket(net.Conn) syscall.RawConn { return nil }

func readSocket(uintptr, []byte) (n int, again bool, err error) {
	return 0, false, errors.ErrUnsupported
}

func pending(syscall.RawConn) bool { return false }

package listen

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// Duplicate returns a second descriptor of a listener or connection from package net,
// which stays open. The caller closes the descriptor.
func Duplicate(of any) (fd int, err error) {
	conn, is := of.(syscall.Conn)
	if !is {
		return -1, fmt.Errorf("duplicate %T: %w", of, errors.ErrUnsupported)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return -1, fmt.Errorf("duplicate %T: %w", of, err)
	}
	fd = -1
	var failed error
	if err := raw.Control(func(of uintptr) { fd, failed = unix.FcntlInt(of, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		return -1, fmt.Errorf("duplicate %T: %w", of, err)
	}
	if failed != nil {
		return -1, fmt.Errorf("duplicate %T: %w", of, failed)
	}
	return fd, nil
}

//go:build !linux || portable

package workers

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// accept accepts a connection and makes it non-blocking.
func accept(listener int) (fd int, err error) {
	syscall.ForkLock.RLock() // no fork between accept and close-on-exec
	defer syscall.ForkLock.RUnlock()
	if fd, _, err = unix.Accept(listener); err != nil {
		return -1, err
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

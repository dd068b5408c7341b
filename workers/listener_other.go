//go:build !linux || portable

package workers

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// accept takes a connection that does not block.
func accept(listener int) (fd int, err error) {
	syscall.ForkLock.RLock() // between the making and the marking nobody forks
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

//go:build !linux

package python

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// fionread asks how many bytes are in a pipe: FIONREAD of the BSDs.
const fionread = 0x4004667f

func openPipe() (fds [2]int, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := unix.Pipe(fds[:]); err != nil {
		return fds, err
	}
	for _, fd := range fds {
		unix.CloseOnExec(fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			return fds, err
		}
	}
	return fds, nil
}

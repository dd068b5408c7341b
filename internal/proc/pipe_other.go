//go:build !linux || portable

package proc

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// Pipe makes a pipe of raw descriptors, its read and its write end, that no
// child gets unless it is handed over.
func Pipe() (r, w int, err error) {
	var ends [2]int
	syscall.ForkLock.RLock() // between the making and the marking nobody forks
	defer syscall.ForkLock.RUnlock()
	if err := unix.Pipe(ends[:]); err != nil {
		return -1, -1, fmt.Errorf("make pipe: %w", err)
	}
	unix.CloseOnExec(ends[0])
	unix.CloseOnExec(ends[1])
	return ends[0], ends[1], nil
}

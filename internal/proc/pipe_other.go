//go:build !linux || portable

package proc

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// Pipe makes a pipe and returns its read and write ends as raw descriptors. No child
// inherits them unless they are passed on.
func Pipe() (r, w int, err error) {
	var ends [2]int
	syscall.ForkLock.RLock() // nothing may fork before they are marked close-on-exec
	defer syscall.ForkLock.RUnlock()
	if err := unix.Pipe(ends[:]); err != nil {
		return -1, -1, fmt.Errorf("make pipe: %w", err)
	}
	unix.CloseOnExec(ends[0])
	unix.CloseOnExec(ends[1])
	return ends[0], ends[1], nil
}

//go:build !portable

package proc

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Pipe makes a pipe and returns its read and write ends as raw descriptors. No child
// inherits them unless they are passed on.
func Pipe() (r, w int, err error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return -1, -1, fmt.Errorf("make pipe: %w", err)
	}
	return ends[0], ends[1], nil
}

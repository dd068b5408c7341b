//go:build !portable

package proc

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Pipe makes a pipe of raw descriptors, its read and its write end, that no
// child gets unless it is handed over.
func Pipe() (r, w int, err error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return -1, -1, fmt.Errorf("make pipe: %w", err)
	}
	return ends[0], ends[1], nil
}

//go:build (!linux && !darwin) || (linux && portable)

package proc

import (
	"errors"
	"fmt"
	"syscall"
)

// StartTicks fails for a process that is gone. It tells no process from another
// of the same number: that takes a look at what each system calls its own.
func StartTicks(pid int) (uint64, error) {
	if err := syscall.Kill(pid, 0); err != nil && !errors.Is(err, syscall.EPERM) {
		return 0, fmt.Errorf("look at process %d: %w", pid, err)
	}
	return 1, nil
}

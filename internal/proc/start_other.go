//go:build (!linux && !darwin) || (linux && portable)

package proc

import (
	"errors"
	"fmt"
	"syscall"
)

// StartTicks fails if the process is gone. It cannot tell two processes with the
// same pid apart: that would need code for each system.
func StartTicks(pid int) (uint64, error) {
	if err := syscall.Kill(pid, 0); err != nil && !errors.Is(err, syscall.EPERM) {
		return 0, fmt.Errorf("look at process %d: %w", pid, err)
	}
	return 1, nil
}

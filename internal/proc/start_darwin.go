package proc

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// StartTicks is when a process was started, in microseconds. Together with the pid
// it identifies a process uniquely.
func StartTicks(pid int) (uint64, error) {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		return 0, fmt.Errorf("look at process %d: %w", pid, err)
	}
	at := info.Proc.P_starttime
	return uint64(at.Sec)*1_000_000 + uint64(at.Usec), nil
}

//go:build !portable

package proc

import (
	"bytes"
	"fmt"
	"os"
)

// Runnable reports whether a thread of a process runs or only waits for a CPU.
func Runnable(pid, thread int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/stat", pid, thread))
	if err != nil {
		return false
	}
	// The name in parentheses may contain anything (proc_pid_stat(5)).
	i := bytes.LastIndexByte(stat, ')')
	return i >= 0 && len(stat) > i+2 && stat[i+2] == 'R'
}

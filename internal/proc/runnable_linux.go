//go:build !portable

package proc

import (
	"bytes"
	"fmt"
	"os"
)

// Runnable reports whether a thread of a process runs, or would if the kernel
// gave it a processor.
func Runnable(pid, thread int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/stat", pid, thread))
	if err != nil {
		return false
	}
	// The name in parentheses may hold anything (proc_pid_stat(5)).
	i := bytes.LastIndexByte(stat, ')')
	return i >= 0 && len(stat) > i+2 && stat[i+2] == 'R'
}

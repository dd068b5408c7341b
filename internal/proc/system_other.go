//go:build !linux || portable

package proc

import (
	"os"
	"syscall"
)

var self, _ = os.Executable()

// OOM needs Linux: other systems do not count the processes that were killed because
// memory ran out.
type OOM struct{}

// NewOOM returns an OOM that does nothing.
func NewOOM() *OOM { return &OOM{} }

// Killed always returns false.
func (o *OOM) Killed() bool { return false }

// Halted says that a signal has stopped a process, or ""; Linux knows more reasons.
func Halted(pid int) string {
	if psState(pid) == 'T' {
		return "stopped by a signal (SIGSTOP)"
	}
	return ""
}

// Runnable works only on Linux: threads of other processes cannot be examined here.
func Runnable(int, int) bool { return false }

// tgkill signals the whole process: no system call signals a thread of another
// process. Any thread may run the handler; the handlers used here do not depend on
// which one does.
func tgkill(pid, _ int, sig syscall.Signal) error { return syscall.Kill(pid, sig) }

//go:build !linux || portable

package proc

import (
	"os"
	"syscall"
)

var self, _ = os.Executable()

// OOM needs Linux: other systems count no processes that were killed because
// memory ran out.
type OOM struct{}

// NewOOM returns one that knows nothing.
func NewOOM() *OOM { return &OOM{} }

// Killed never is.
func (o *OOM) Killed() bool { return false }

// Halted reports a process that a signal has stopped; see the one for Linux.
func Halted(pid int) string {
	if psState(pid) == 'T' {
		return "stopped by a signal (SIGSTOP)"
	}
	return ""
}

// Runnable is known on Linux only: no thread is named here.
func Runnable(int, int) bool { return false }

// tgkill signals the process: no system call names a thread of another. Whichever
// thread takes it, the handlers in question write for the one that is meant.
func tgkill(pid, _ int, sig syscall.Signal) error { return syscall.Kill(pid, sig) }

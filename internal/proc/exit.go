package proc

import (
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Exit is how a process ended.
type Exit struct {
	PID               int
	Status            syscall.WaitStatus
	UserTime, SysTime time.Duration
	MaxRSS            int64 // maximum, in bytes
	// Lost says that other code of this program has reaped the process, so that
	// Status and the rest are unknown.
	Lost bool
}

// Code is the exit code, or -1 if a signal ended the process or it was lost.
func (e Exit) Code() int {
	if e.Lost {
		return -1
	}
	return e.Status.ExitStatus()
}

// Signal is the signal that ended the process, or -1 if it exited or was lost.
func (e Exit) Signal() syscall.Signal {
	if e.Lost || !e.Status.Signaled() {
		return -1
	}
	return e.Status.Signal()
}

// String says in words how the process ended.
func (e Exit) String() string {
	switch {
	case e.Lost:
		return "ended; how is unknown, since other code of this program waited for it"
	case !e.Status.Signaled():
		return fmt.Sprintf("exited with code %d", e.Status.ExitStatus())
	}
	sig := e.Status.Signal()
	text := fmt.Sprintf("killed by %s (%s)", unix.SignalName(sig), sig)
	if unix.SignalName(sig) == "" {
		text = fmt.Sprintf("killed by signal %d", int(sig))
	}
	if e.Status.CoreDump() {
		text += ", core dumped"
	}
	return text
}

//go:build !linux || portable

package proc

import "syscall"

// apart calls start with a umask, unless that is -1. Nobody is isolated here.
func apart(mask int, _ bool, start func() (int, error)) (int, error) {
	if mask < 0 {
		return start()
	}
	old := syscall.Umask(mask)
	defer syscall.Umask(old)
	return start()
}

func masked(mask int, start func() (int, error)) (int, error) { return apart(mask, false, start) }

// ProcessLimit names no limit outside Linux.
func ProcessLimit() string { return "a limit of processes and threads is reached" }

func threadsUsedUp() bool { return false }

//go:build !linux || portable

package proc

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// apart calls start with a umask, unless that is -1. It cannot isolate the child here.
func apart(mask int, _ bool, start func() (int, error)) (int, error) {
	if mask < 0 {
		return start()
	}
	old := syscall.Umask(mask)
	defer syscall.Umask(old)
	return start()
}

func masked(mask int, start func() (int, error)) (int, error) { return apart(mask, false, start) }

// ProcessLimit names the limit of processes that this process has probably reached.
func ProcessLimit() string {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NPROC, &limit); err == nil && limit.Cur != unix.RLIM_INFINITY {
		return fmt.Sprintf("the limit of this user's processes is reached: RLIMIT_NPROC is %d (ulimit -u); raise it", limit.Cur)
	}
	return "a limit of processes is reached: see kern.maxproc and kern.maxprocperuid (sysctl)"
}

func threadsUsedUp() bool { return false }

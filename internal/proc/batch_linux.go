//go:build !portable

package proc

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The policies of sched(7) between which ScheduleBatch changes.
const (
	schedOther = 0
	schedBatch = 3
)

// Schedules reports whether the kernel schedules this process by SCHED_OTHER, so
// that nobody has chosen another policy for it.
func Schedules() bool {
	policy, _, errno := unix.RawSyscall(unix.SYS_SCHED_GETSCHEDULER, 0, 0, 0)
	return errno == 0 && policy == schedOther
}

// ScheduleBatch makes the kernel schedule all threads of this process by SCHED_BATCH,
// or by SCHED_OTHER again. A thread inherits the policy from the one that starts it.
func ScheduleBatch(on bool) error {
	policy := schedOther
	if on {
		policy = schedBatch
	}
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return fmt.Errorf("list threads: %w", err)
	}
	var none struct{ priority int32 } // struct sched_param
	for _, t := range threads {
		id, err := strconv.Atoi(t.Name())
		if err != nil {
			continue
		}
		_, _, errno := unix.RawSyscall(unix.SYS_SCHED_SETSCHEDULER, uintptr(id), uintptr(policy), uintptr(unsafe.Pointer(&none)))
		if errno != 0 && !errors.Is(errno, unix.ESRCH) { // it may have ended
			return fmt.Errorf("sched_setscheduler: %w", errno)
		}
	}
	return nil
}

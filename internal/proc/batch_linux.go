//go:build !portable

package proc

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"unsafe"

	"github.com/gonicorn/gonicorn/internal/wire"
	"golang.org/x/sys/unix"
)

// The policies that ScheduleBatch changes between (sched(7)).
const (
	schedOther = 0
	schedBatch = 3
)

// MayScheduleBatch reports whether processes that are started from here may use
// ScheduledNormally and ScheduleBatch. A filter for system calls may end a process that does
// (seccomp(2), SystemCallFilter in systemd.exec(5)): where there is a filter, a child
// tries. Nothing else may wait for children meanwhile.
func MayScheduleBatch() bool {
	if !filtered() {
		return true
	}
	try := exec.Command(Self())
	try.Env = append(os.Environ(), wire.EnvRole+"="+wire.RoleTryBatch)
	return try.Run() == nil
}

// filtered reports whether this process has a filter for system calls, or cannot tell
// (proc_pid_status(5)).
func filtered() bool {
	text, err := os.ReadFile("/proc/self/status")
	_, mode, found := strings.Cut(string(text), "\nSeccomp:\t")
	return err != nil || !found || !strings.HasPrefix(mode, "0")
}

// TryBatch is what the child of MayScheduleBatch does. It returns the exit code: 0 if
// nothing forbade it.
func TryBatch() int {
	if ScheduledNormally() && ScheduleBatch(true) != nil {
		return 1
	}
	return 0
}

// ScheduledNormally reports whether the kernel schedules this process by SCHED_OTHER.
// Otherwise somebody has chosen another policy, and ScheduleBatch must not change it.
func ScheduledNormally() bool {
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

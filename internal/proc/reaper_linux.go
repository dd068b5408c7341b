//go:build !portable

package proc

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// Adopt adds a process that somebody else claims to have started for this one to
// those whose end Reap returns. It fails unless the process is a child of this
// process, leads a process group, and is neither owned nor a helper.
func (r *Reaper) Adopt(pid int) error {
	if pid <= 1 || r.mine[pid] || r.helpers.has(pid) {
		return fmt.Errorf("adopt process %d: %w", pid, errNotNew)
	}
	p, err := procfs.NewProc(pid)
	if err != nil {
		return fmt.Errorf("adopt process %d: %w", pid, err)
	}
	stat, err := p.Stat()
	if err != nil {
		return fmt.Errorf("adopt process %d: %w", pid, err)
	}
	if stat.PPID != os.Getpid() || stat.PGRP != pid {
		return fmt.Errorf("adopt process %d: %w", pid, errNotNew)
	}
	r.mine[pid] = true
	return nil
}

// Reap reaps, without blocking, every child that has ended, and returns how the
// owned ones ended. They are no longer owned.
//
// before, which may be nil, is called with each owned pid while it is still a
// zombie. The kernel cannot have reused the pid or the number of its process group,
// so it is safe to signal what is left of the group.
func (r *Reaper) Reap(before func(pid int)) []Exit {
	exits := r.adopted()
	for {
		pid, err := ended(unix.P_ALL, 0)
		if err == nil && pid == 0 {
			return exits // children, but none has ended
		}
		if err == nil && (r.mine[pid] || r.all && !r.helpers.has(pid)) {
			exits = r.take(exits, pid, before)
			continue
		}
		// The first child in the kernel's list is not ours and hides the others,
		// or there are no children at all.
		return r.reapEach(exits, before)
	}
}

// reapEach checks every owned process separately.
func (r *Reaper) reapEach(exits []Exit, before func(pid int)) []Exit {
	for pid := range r.mine {
		got, err := ended(unix.P_PID, pid)
		switch {
		case errors.Is(err, unix.ECHILD):
			delete(r.mine, pid)
			exits = append(exits, Exit{PID: pid, Lost: true})
		case err == nil && got == pid:
			exits = r.take(exits, pid, before)
		}
	}
	return exits
}

// take reaps a zombie.
func (r *Reaper) take(exits []Exit, pid int, before func(pid int)) []Exit {
	owned := r.mine[pid]
	if owned && before != nil {
		before(pid)
	}
	delete(r.mine, pid)
	e := waitFor(pid)
	if owned {
		exits = append(exits, e)
	}
	return exits
}

// ended returns a child that has ended, and leaves it a zombie; 0 if none has ended.
func ended(kind, id int) (pid int, err error) {
	var info unix.Siginfo
	for {
		err := unix.Waitid(kind, id, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("wait for children: %w", err)
		}
		return siginfoPID(&info), nil
	}
}

// siginfoPID is si_pid, the first field of the union in siginfo_t (sigaction(2)).
// The union comes after three ints and is aligned like a pointer.
func siginfoPID(info *unix.Siginfo) int {
	const pointer = unsafe.Sizeof(uintptr(0))
	const offset = (3*4 + pointer - 1) / pointer * pointer
	return int(*(*int32)(unsafe.Add(unsafe.Pointer(info), offset)))
}

// BecomeSubreaper makes this process the parent of orphaned descendants (prctl(2),
// PR_SET_CHILD_SUBREAPER).
func BecomeSubreaper() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become subreaper: %w", err)
	}
	return nil
}

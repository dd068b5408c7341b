//go:build !linux || portable

package proc

import (
	"errors"
	"fmt"
	"syscall"
)

// Adopt adds a process that somebody else claims to have started for this one to
// those whose end Reap returns. It fails unless the process is a child of this
// process, leads a process group, and is neither owned nor a helper.
func (r *Reaper) Adopt(pid int) error {
	if pid <= 1 || r.mine[pid] || r.helpers.has(pid) {
		return fmt.Errorf("adopt process %d: %w", pid, errNotNew)
	}
	if pgid, err := syscall.Getpgid(pid); err != nil || pgid != pid {
		return fmt.Errorf("adopt process %d: %w", pid, errNotNew)
	}
	e, ended := collect(pid, syscall.WNOHANG)
	if e.Lost {
		return fmt.Errorf("adopt process %d: %w", pid, errNotNew)
	}
	if ended {
		r.late = append(r.late, e)
		return nil
	}
	r.mine[pid] = true
	return nil
}

// Reap reaps, without blocking, every owned process that has ended, and returns how
// each ended. They are no longer owned. before, which may be nil, is called with
// each pid.
func (r *Reaper) Reap(before func(pid int)) []Exit {
	exits := r.adopted()
	for pid := range r.mine {
		e, ended := collect(pid, syscall.WNOHANG)
		if !ended {
			continue
		}
		if before != nil {
			before(pid)
		}
		delete(r.mine, pid)
		exits = append(exits, e)
	}
	return exits
}

// BecomeSubreaper fails: only init gets orphans here. The processes that a worker
// leaves behind can still be signalled through its process group.
func BecomeSubreaper() error {
	return fmt.Errorf("adopt orphans: %w", errors.ErrUnsupported)
}

//go:build !linux || portable

package proc

import (
	"errors"
	"fmt"
	"syscall"
)

// Adopt makes a process one whose end Reap returns that somebody else says it has
// started for this one. It fails unless it is a child of this process, nobody's
// yet, that leads a process group.
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

// Reap waits, without blocking, for every owned process that has ended and
// returns how. They are owned no more. before, which may be nil, is called with
// each of them.
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

// BecomeSubreaper fails: orphans are init's. What a worker has left behind is
// still signalled by its process group.
func BecomeSubreaper() error {
	return fmt.Errorf("adopt orphans: %w", errors.ErrUnsupported)
}

//go:build !portable

package proc

import (
	"fmt"
	"time"

	"github.com/prometheus/procfs"
)

// StartTicks is when a process was started, in clock ticks since boot (field 22 of
// /proc/PID/stat). Together with the pid it identifies a process uniquely.
func StartTicks(pid int) (uint64, error) {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return 0, fmt.Errorf("look at process %d: %w", pid, err)
	}
	stat, err := p.Stat()
	if err != nil {
		return 0, fmt.Errorf("look at process %d: %w", pid, err)
	}
	return stat.Starttime, nil
}

// clockTick is the unit of CPU times in /proc: 1/USER_HZ, which is 1/100 s on all
// architectures (times(2)).
const clockTick = 10 * time.Millisecond

// GroupUse measures process groups. It reads /proc once.
func GroupUse(pgids []int) (map[int]Use, error) {
	use := make(map[int]Use, len(pgids))
	for _, g := range pgids {
		use[g] = Use{}
	}
	all, err := procfs.AllProcs()
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	for _, p := range all {
		stat, err := p.Stat()
		if err != nil {
			continue // it has just ended
		}
		if u, wanted := use[stat.PGRP]; wanted {
			u.RSS += int64(stat.ResidentMemory())
			u.CPU += time.Duration(stat.UTime+stat.STime) * clockTick
			use[stat.PGRP] = u
		}
	}
	return use, nil
}

// groupRuns reports whether the group has a process that is not a zombie. Once the
// arbiter is gone, zombies stay until init reaps them. If /proc cannot be listed,
// groupRuns returns true.
func groupRuns(pgid int) bool {
	if leader, err := procfs.NewProc(pgid); err == nil {
		if stat, err := leader.Stat(); err == nil && stat.State != "Z" {
			return true
		}
	}
	all, err := procfs.AllProcs()
	if err != nil {
		return true
	}
	for _, p := range all {
		if stat, err := p.Stat(); err == nil && stat.PGRP == pgid && stat.State != "Z" {
			return true
		}
	}
	return false
}

// groupLook is the time between two calls of groupRuns by a guard.
const groupLook = guardLook

// Ended reports whether a process has ended, reaped or not.
func Ended(pid int) bool {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return true
	}
	stat, err := p.Stat()
	return err != nil || stat.State == "Z" || stat.State == "X"
}

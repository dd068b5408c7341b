//go:build !portable

package proc

import (
	"fmt"
	"time"

	"github.com/prometheus/procfs"
)

// StartTicks is when a process was started, in clock ticks since boot (field 22
// of /proc/PID/stat): together with the pid it names one process for good.
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

// clockTick is what /proc counts CPU time in: USER_HZ, 100 on every
// architecture of Linux (times(2)).
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
			continue // it has ended meanwhile
		}
		if u, wanted := use[stat.PGRP]; wanted {
			u.RSS += int64(stat.ResidentMemory())
			u.CPU += time.Duration(stat.UTime+stat.STime) * clockTick
			use[stat.PGRP] = u
		}
	}
	return use, nil
}

// groupRuns reports whether a process of the group is no zombie: once the arbiter
// is gone it is up to init when those are reaped. Where /proc cannot be listed, a
// zombie counts as well.
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

// groupLook is how often a guard asks that.
const groupLook = guardLook

// Ended reports whether a process has ended and waits to be reaped.
func Ended(pid int) bool {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return true
	}
	stat, err := p.Stat()
	return err != nil || stat.State == "Z" || stat.State == "X"
}

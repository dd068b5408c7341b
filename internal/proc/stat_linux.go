package proc

import (
	"fmt"

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

// GroupRSS returns the resident bytes of each process group, all its processes
// together. It reads /proc once.
func GroupRSS(pgids []int) (map[int]int64, error) {
	rss := make(map[int]int64, len(pgids))
	for _, g := range pgids {
		rss[g] = 0
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
		if _, wanted := rss[stat.PGRP]; wanted {
			rss[stat.PGRP] += int64(stat.ResidentMemory())
		}
	}
	return rss, nil
}

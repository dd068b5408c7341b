package proc

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Limits bound what a process may use.
type Limits struct {
	Nice   int    // added to this process's nice value (nice(2))
	CPUs   []int  // that it may run on; empty means the same as this process
	NoFile uint64 // descriptors; 0 leaves the limit as it is
	Core   int64  // bytes of a core dump; -1 leaves the limit as it is
	Cgroup int    // descriptor of the cgroup's folder; 0 is this process's cgroup
}

// mostCPUs bounds the numbers in a list of CPUs.
const mostCPUs = 4096

// ParseCPUs reads a list such as 0-3,6 (cpuset(7)).
func ParseCPUs(list string) ([]int, error) {
	var cpus []int
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(part), "-")
		a, err := strconv.Atoi(first)
		b := a
		if err == nil && isRange {
			b, err = strconv.Atoi(last)
		}
		if err != nil || a < 0 || b < a || b >= mostCPUs {
			return nil, fmt.Errorf("%q is not a list of CPUs, as in 0-3,6", list)
		}
		for cpu := a; cpu <= b; cpu++ {
			if !slices.Contains(cpus, cpu) {
				cpus = append(cpus, cpu)
			}
		}
	}
	return cpus, nil
}

package config

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// cpus is how many CPUs there are for the workers: those that this process may
// run on, or fewer where its cgroups have a quota, as containers do.
func cpus() int {
	n := runtime.NumCPU()
	if text, err := os.ReadFile("/proc/self/cgroup"); err == nil {
		if quota := cpuQuota("/sys/fs/cgroup", string(text)); quota > 0 {
			n = min(n, quota)
		}
	}
	return n
}

// cpuQuota is the lowest quota of the cgroups that a process is in, in whole
// CPUs, rounded up; text is /proc/self/cgroup, and 0 is none (cgroups(7)).
func cpuQuota(root, text string) (least int) {
	take := func(quota, period string) {
		q, err := strconv.ParseFloat(quota, 64)
		p, err2 := strconv.ParseFloat(period, 64)
		if err != nil || err2 != nil || q <= 0 || p <= 0 {
			return // max, or -1
		}
		if n := max(1, int((q+p-1)/p)); least == 0 || n < least {
			least = n
		}
	}
	read := func(parts ...string) string {
		b, _ := os.ReadFile(filepath.Join(parts...)) // there is none at the root
		return strings.TrimSpace(string(b))
	}
	for line := range strings.Lines(text) {
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(part) != 3 || part[0] != "0" && !strings.Contains(","+part[1]+",", ",cpu,") {
			continue
		}
		// In a container the path may be that of the host: the root has the limit then.
		for dir := filepath.Clean("/" + part[2]); ; dir = filepath.Dir(dir) {
			if part[0] == "0" {
				quota, period, _ := strings.Cut(read(root, dir, "cpu.max"), " ")
				take(quota, period)
			} else {
				take(read(root, "cpu", dir, "cpu.cfs_quota_us"), read(root, "cpu", dir, "cpu.cfs_period_us"))
			}
			if dir == "/" {
				break
			}
		}
	}
	return least
}

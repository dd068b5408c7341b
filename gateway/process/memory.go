package process

import (
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// The gateway shares its cgroup with the workers. The limit for its garbage collector
// is a quarter of the cgroup's, but at least memoryLeast.
const (
	memoryShare = 4
	memoryLeast = 64 << 20
)

// memoryLimit returns the collector's limit as it follows from the cgroup's; 0 is none.
func memoryLimit() int64 {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return 0
	}
	most := groupMemory("/sys/fs/cgroup", string(text))
	if most == 0 {
		return 0
	}
	return max(most/memoryShare, memoryLeast)
}

// groupMemory returns the lowest memory limit of a process's cgroups (cgroups(7)), or 0
// if there is none. text is the process's /proc/self/cgroup.
func groupMemory(root, text string) int64 {
	most := int64(math.MaxInt64)
	look := func(file string) {
		b, err := os.ReadFile(file)
		if err != nil {
			return
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil && n > 0 {
			most = min(most, n)
		}
	}
	for line := range strings.Lines(text) {
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(part) != 3 {
			continue
		}
		dir, file := root, "memory.max"
		if part[0] != "0" {
			if part[1] != "memory" {
				continue
			}
			dir, file = filepath.Join(root, "memory"), "memory.limit_in_bytes"
		}
		for path := filepath.Clean("/" + part[2]); ; path = filepath.Dir(path) {
			look(filepath.Join(dir, path, file))
			if path == "/" {
				break
			}
		}
	}
	if most > math.MaxInt64/2 { // cgroups v1 has such a number in place of "no limit"
		return 0
	}
	return most
}

package process

import (
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// The gateway shares its cgroup with the workers: its garbage is collected in
// earnest once it has a quarter of what the group may have, but for the least
// that it needs.
const (
	memoryShare = 4
	memoryLeast = 64 << 20
)

// memoryLimit is the collector's limit by the cgroup's, 0 for none.
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

// groupMemory is the lowest limit of the cgroups that a process is in, of
// which text is /proc/self/cgroup; 0 is none (cgroups(7)).
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
	if most > math.MaxInt64/2 { // the old hierarchy's word for none
		return 0
	}
	return most
}

//go:build !portable

package proc

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// OOM watches the counters of processes that were killed because memory ran out:
// those of its cgroup, or the kernel's if no cgroup counts them.
type OOM struct {
	root  string // of the file system; another folder in tests
	files []string
	seen  map[string]uint64
}

// NewOOM starts with the counters' current values.
func NewOOM() *OOM { return newOOM("/") }

func newOOM(root string) *OOM {
	o := &OOM{root: root, seen: map[string]uint64{}}
	for _, f := range o.cgroupFiles() {
		if n, ok := readCounter(f); ok {
			o.files, o.seen[f] = append(o.files, f), n
		}
	}
	if len(o.files) > 0 {
		return o // the kernel's counter includes other cgroups
	}
	vmstat := filepath.Join(root, "proc/vmstat")
	o.files = []string{vmstat}
	o.seen[vmstat], _ = readCounter(vmstat)
	return o
}

// Killed reports whether a counter has risen since the last call.
func (o *OOM) Killed() bool {
	risen := false
	for _, f := range o.files {
		if n, ok := readCounter(f); ok {
			risen = risen || n > o.seen[f]
			o.seen[f] = n
		}
	}
	return risen
}

// cgroupFiles names where this process's memory.events (cgroup v2) or
// memory.oom_control (v1) may be. In a container the path in /proc/self/cgroup
// can be the host's, and the files are at the root of the mount.
func (o *OOM) cgroupFiles() []string {
	text, err := os.ReadFile(filepath.Join(o.root, "proc/self/cgroup"))
	if err != nil {
		return nil
	}
	var files []string
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		mount, name := "sys/fs/cgroup", "memory.events"
		switch {
		case parts[0] == "0":
		case strings.Contains(","+parts[1]+",", ",memory,"):
			mount, name = "sys/fs/cgroup/memory", "memory.oom_control"
		default:
			continue
		}
		own := filepath.Join(o.root, mount, parts[2], name)
		if _, err := os.Stat(own); err != nil {
			own = filepath.Join(o.root, mount, name)
		}
		files = append(files, own)
	}
	return files
}

// readCounter returns the value of the line "oom_kill N", and whether there is such
// a line.
func readCounter(path string) (uint64, bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if value, found := strings.CutPrefix(lines.Text(), "oom_kill "); found {
			n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}

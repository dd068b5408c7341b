//go:build !portable

package proc

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Halted says why the kernel does not run a process: a signal has stopped it,
// or its cgroup is frozen. It is empty for a process that may run, for one that
// a debugger holds, and for one that is gone.
func Halted(pid int) string { return haltedBelow("/", pid) }

// haltedBelow is Halted for a system whose files are below root.
func haltedBelow(root string, pid int) string {
	dir := filepath.Join(root, fmt.Sprintf("proc/%d", pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return ""
	}
	// The name in parentheses may contain anything, so the state is after the
	// last closing parenthesis (proc_pid_stat(5)).
	if i := bytes.LastIndexByte(stat, ')'); i >= 0 && len(stat) > i+2 && stat[i+2] == 'T' {
		return "stopped by a signal (SIGSTOP)"
	}
	groups, err := os.ReadFile(filepath.Join(dir, "cgroup"))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(groups)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) == 3 && frozen(root, fields[1], fields[2]) {
			return "frozen with its cgroup " + fields[2]
		}
	}
	return ""
}

// frozen reads a cgroup's state, in version 1 or 2. If the cgroup is not mounted
// where systemd mounts it, it is assumed to run.
func frozen(root, controller, path string) bool {
	switch controller {
	case "":
		for _, mount := range []string{"sys/fs/cgroup", "sys/fs/cgroup/unified"} {
			if events, err := os.ReadFile(filepath.Join(root, mount, path, "cgroup.events")); err == nil {
				return bytes.Contains(events, []byte("frozen 1"))
			}
		}
	case "freezer":
		state, err := os.ReadFile(filepath.Join(root, "sys/fs/cgroup/freezer", path, "freezer.state"))
		return err == nil && bytes.HasPrefix(state, []byte("FROZEN"))
	}
	return false
}

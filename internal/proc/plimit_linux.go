//go:build !portable

package proc

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ProcessLimit names the limit of processes and threads that this process has
// reached, as far as it can be told.
func ProcessLimit() string { return processLimitBelow("/") }

func processLimitBelow(root string) string {
	if text := fullCgroupBelow(root); text != "" {
		return text
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NPROC, &limit); err == nil && limit.Cur != unix.RLIM_INFINITY {
		return fmt.Sprintf("the limit of this user's processes and threads is reached: RLIMIT_NPROC is %d (ulimit -u, LimitNPROC=); raise it", limit.Cur)
	}
	return "a limit of processes and threads is reached: see kernel.threads-max and kernel.pid_max (sysctl)"
}

// threadsUsedUp reports whether a cgroup of this process may have no more
// threads.
func threadsUsedUp() bool { return fullCgroupBelow("/") != "" }

// fullCgroupBelow names the cgroup of this process that may have no more
// threads; empty if none is full.
func fullCgroupBelow(root string) string {
	groups, _ := os.ReadFile(filepath.Join(root, "proc/self/cgroup")) // without it the other limit is named
	for line := range strings.Lines(string(groups)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		mounts := []string{"sys/fs/cgroup/pids"}
		if fields[1] == "" {
			mounts = []string{"sys/fs/cgroup", "sys/fs/cgroup/unified"}
		} else if fields[1] != "pids" {
			continue
		}
		for _, mount := range mounts {
			if text := fullCgroup(filepath.Join(root, mount), fields[2]); text != "" {
				return text
			}
		}
	}
	return ""
}

// fullCgroup looks from a cgroup upwards for one that may have no more threads.
func fullCgroup(mount, path string) string {
	for {
		dir := filepath.Join(mount, path)
		most, err := pidsNumber(filepath.Join(dir, "pids.max"))
		if err == nil {
			// Whoever was refused has gone when this is read.
			if now, err := pidsNumber(filepath.Join(dir, "pids.current")); err == nil && now+2 >= most {
				return fmt.Sprintf("the cgroup's limit of processes and threads is reached: pids.max of %s is %d "+
					"(TasksMax=, docker --pids-limit); raise it", path, most)
			}
		}
		if path == "/" || path == "." || path == "" {
			return ""
		}
		path = filepath.Dir(path)
	}
}

func pidsNumber(path string) (int, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("read limit: %w", err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text))) // "max" is none
	if err != nil {
		return 0, fmt.Errorf("read limit: %w", err)
	}
	return n, nil
}

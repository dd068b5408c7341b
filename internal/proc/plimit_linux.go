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
// probably reached.
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

// threadsUsedUp reports whether a cgroup of this process has reached its limit of
// threads.
func threadsUsedUp() bool { return fullCgroupBelow("/") != "" }

// fullCgroupBelow names the cgroup of this process that has reached its limit of
// threads; empty if none has.
func fullCgroupBelow(root string) string {
	groups, _ := os.ReadFile(filepath.Join(root, "proc/self/cgroup")) // if that fails, the other limit is named
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

// fullCgroup searches a cgroup and its parents for one that has reached its limit.
func fullCgroup(mount, path string) string {
	for {
		dir := filepath.Join(mount, path)
		most, err := pidsNumber(filepath.Join(dir, "pids.max"))
		if err == nil {
			// The thread or process that was refused is not counted any more.
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
	n, err := strconv.Atoi(strings.TrimSpace(string(text))) // "max" is no number: there is no limit
	if err != nil {
		return 0, fmt.Errorf("read limit: %w", err)
	}
	return n, nil
}

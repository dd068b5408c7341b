//go:build !linux || portable

package proc

import (
	"fmt"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// AllowedCPUs are all CPUs: there is no affinity here.
func AllowedCPUs() ([]int, error) {
	cpus := make([]int, runtime.NumCPU())
	for i := range cpus {
		cpus[i] = i
	}
	return cpus, nil
}

// NoFile is the hard limit for open descriptors of this process and its children.
func NoFile() (uint64, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("get limit of descriptors: %w", err)
	}
	return uint64(limit.Max), nil
}

// enter starts the program through a shell that sets the limits that only a process
// itself can set.
func (l *Limits) enter(s *Spec) {
	script := ""
	if l.NoFile > 0 {
		script += "ulimit -n " + strconv.FormatUint(l.NoFile, 10) + " && "
	}
	if l.Core >= 0 {
		script += "ulimit -c " + strconv.FormatInt(l.Core/512, 10) + " && "
	}
	if script != "" {
		s.Args = append([]string{"sh", "-c", script + `exec "$0" "$@"`, s.Path}, s.Args[1:]...)
		s.Path = "/bin/sh"
	}
}

// around wraps fork so that the child gets the nice value. This system cannot
// restrict the CPUs.
func (l *Limits) around(fork func() (int, error)) func() (int, error) {
	return func() (int, error) {
		pid, err := fork()
		if err != nil || l.Nice == 0 {
			return pid, err
		}
		mine, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
		if runtime.GOOS == "linux" {
			mine = 20 - mine // the system call returns 20 minus the value
		}
		if err == nil {
			err = unix.Setpriority(unix.PRIO_PROCESS, pid, mine+l.Nice)
		}
		if err != nil {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it does not have the limits that were asked for
			return 0, fmt.Errorf("set nice: %w", err)
		}
		return pid, nil
	}
}

func (l *Limits) intoCgroup(*syscall.SysProcAttr) {}

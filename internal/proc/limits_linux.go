//go:build !portable

package proc

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// AllowedCPUs are those that this process may run on.
func AllowedCPUs() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("get CPUs: %w", err)
	}
	var cpus []int
	for cpu := 0; len(cpus) < set.Count(); cpu++ {
		if set.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	return cpus, nil
}

// NoFile is how many descriptors a process of this one may have open, at most.
func NoFile() (uint64, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("get limit of descriptors: %w", err)
	}
	return limit.Max, nil
}

// around has fork's child get the limits. Nice value and CPUs are a thread's,
// which its children inherit: fork must be called in a thread of its own, which
// ends afterwards.
func (l *Limits) around(fork func() (int, error)) func() (int, error) {
	return func() (int, error) {
		if err := l.takeOn(); err != nil {
			return 0, err
		}
		pid, err := fork()
		if err != nil {
			return 0, err
		}
		if err := l.setOn(pid); err != nil {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it is not what was asked for
			return 0, err
		}
		return pid, nil
	}
}

// enter has nothing to change: see setOn.
func (l *Limits) enter(*Spec) {}

// takeOn gives this thread what a child inherits from a thread.
func (l *Limits) takeOn() error {
	if len(l.CPUs) > 0 {
		var set unix.CPUSet
		for _, cpu := range l.CPUs {
			set.Set(cpu)
		}
		if err := unix.SchedSetaffinity(0, &set); err != nil {
			return fmt.Errorf("set cpu_affinity: %w", err)
		}
	}
	if l.Nice != 0 {
		// getpriority(2) itself, unlike the library's, returns 20 less the value.
		raw, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
		if err == nil {
			err = unix.Setpriority(unix.PRIO_PROCESS, 0, 20-raw+l.Nice)
		}
		if err != nil {
			return fmt.Errorf("set nice: %w", err)
		}
	}
	return nil
}

// setOn gives a process the limits that belong to processes (prlimit(2)).
func (l *Limits) setOn(pid int) error {
	if n := l.NoFile; n > 0 {
		if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: n}, nil); err != nil {
			return fmt.Errorf("set rlimit_nofile: %w", err)
		}
	}
	if n := l.Core; n >= 0 {
		if err := unix.Prlimit(pid, unix.RLIMIT_CORE, &unix.Rlimit{Cur: uint64(n), Max: uint64(n)}, nil); err != nil {
			return fmt.Errorf("set rlimit_core: %w", err)
		}
	}
	return nil
}

// intoCgroup has the child start in a cgroup (clone3(2), CLONE_INTO_CGROUP).
func (l *Limits) intoCgroup(sys *syscall.SysProcAttr) {
	if l.Cgroup > 0 {
		sys.UseCgroupFD, sys.CgroupFD = true, l.Cgroup
	}
}

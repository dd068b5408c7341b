//go:build !portable

package proc

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// AllowedCPUs are the CPUs that this process may run on.
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

// NoFile is the hard limit for open descriptors of this process and its children.
func NoFile() (uint64, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("get limit of descriptors: %w", err)
	}
	return limit.Max, nil
}

// around wraps fork so that the child gets the limits. Nice value and CPUs belong to
// a thread, and its children inherit them: so fork must be called in a thread of
// its own, which ends afterwards.
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
			_ = syscall.Kill(pid, syscall.SIGKILL) // it does not have the limits that were asked for
			return 0, err
		}
		return pid, nil
	}
}

// enter does nothing: see setOn.
func (l *Limits) enter(*Spec) {}

// takeOn sets the limits of this thread that its children inherit.
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
		// The system call getpriority(2), unlike the library function, returns 20 minus the value.
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

// setOn sets the limits of a process that belong to processes (prlimit(2)).
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

// intoCgroup makes the child start in a cgroup (clone3(2), CLONE_INTO_CGROUP).
func (l *Limits) intoCgroup(sys *syscall.SysProcAttr) {
	if l.Cgroup > 0 {
		sys.UseCgroupFD, sys.CgroupFD = true, l.Cgroup
	}
}

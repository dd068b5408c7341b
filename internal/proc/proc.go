// Package proc starts, signals and reaps processes, and reads what the system knows
// of them. It never passes an os.File to a child: see Start.
package proc

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// Credential is the user and the groups that a process runs as.
type Credential struct {
	UID, GID int
	Groups   []int // all supplementary groups
}

// Spec is a process to start.
type Spec struct {
	Path string   // of the program
	Args []string // with argv[0]
	Env  []string // of NAME=value; the last of equal names wins
	Dir  string   // working folder; empty keeps this process's
	// Files are raw descriptors of this process that become 0, 1, 2, ... in the
	// child. They still belong to the caller.
	Files      []int
	Credential *Credential // nil keeps this process's
	Umask      int         // -1 keeps this process's
	NewSession bool        // a session of its own, and not just a process group
	Isolated   bool        // it can neither signal nor inspect other processes, if the kernel supports that
	Limits     *Limits     // nil for none
}

// Start starts the process as the leader of a process group of its own, and returns
// its pid. It waits only for execve(2). The caller reaps the process.
//
// Descriptors are passed raw: os/exec's ExtraFiles calls File.Fd, which may clear
// O_NONBLOCK on the open file description that all running workers share. Then
// Close hangs in another worker.
//
// A missing program matches os.ErrNotExist.
func Start(s Spec) (pid int, err error) {
	files := make([]uintptr, len(s.Files))
	for i, fd := range s.Files {
		files[i] = uintptr(fd)
	}
	sys := &syscall.SysProcAttr{Setpgid: !s.NewSession, Setsid: s.NewSession}
	if c := s.Credential; c != nil && !isSelf(c) {
		sys.Credential = c.forKernel()
	}
	if s.Limits != nil {
		s.Limits.enter(&s)
	}
	attr := &syscall.ProcAttr{Dir: s.Dir, Env: lastWins(s.Env), Files: files, Sys: sys}
	fork := func() (int, error) { return syscall.ForkExec(s.Path, s.Args, attr) }
	if l := s.Limits; l != nil {
		l.intoCgroup(sys)
		fork = l.around(fork)
	}
	switch {
	case s.Isolated && threadsUsedUp():
		err = syscall.EAGAIN // as fork would return; Go itself crashes if it gets no thread
	case s.Limits != nil || s.Isolated:
		pid, err = apart(s.Umask, s.Isolated, fork)
	case s.Umask >= 0:
		pid, err = masked(s.Umask, fork)
	default:
		pid, err = fork()
	}
	if err != nil {
		return 0, s.startError(err)
	}
	return pid, nil
}

// startError finds out which step of ForkExec has failed, because ForkExec does not
// say.
func (s Spec) startError(err error) error {
	if s.Dir != "" {
		if _, dirErr := os.Stat(s.Dir); dirErr != nil {
			return fmt.Errorf("enter working folder: %w; see --chdir", dirErr)
		}
	}
	if errors.Is(err, syscall.EPERM) && s.Credential != nil && os.Geteuid() != 0 {
		return fmt.Errorf("run %s as uid %d, gid %d: %w; only root may do that: start gonicorn as root, or leave --user and --group out",
			s.Path, s.Credential.UID, s.Credential.GID, err)
	}
	if errors.Is(err, syscall.EAGAIN) {
		return fmt.Errorf("fork: %w: %s", err, ProcessLimit())
	}
	return fmt.Errorf("execute %s: %w", s.Path, err)
}

// Signal sends a signal to one process.
func Signal(pid int, sig syscall.Signal) error {
	if pid <= 0 {
		return fmt.Errorf("signal process %d: %w", pid, syscall.ESRCH) // kill(2) would signal a group, or all processes
	}
	if err := syscall.Kill(pid, sig); err != nil {
		return fmt.Errorf("signal process %d: %w", pid, err)
	}
	return nil
}

// SignalThread sends a signal to one thread of a process.
func SignalThread(pid, thread int, sig syscall.Signal) error {
	if pid <= 0 || thread <= 0 {
		return fmt.Errorf("signal thread %d of process %d: %w", thread, pid, syscall.ESRCH)
	}
	if err := tgkill(pid, thread, sig); err != nil {
		return fmt.Errorf("signal thread %d of process %d: %w", thread, pid, err)
	}
	return nil
}

// SignalGroup sends a signal to every process of a group.
func SignalGroup(pgid int, sig syscall.Signal) error {
	if pgid <= 1 {
		return fmt.Errorf("signal process group %d: %w", pgid, syscall.ESRCH) // kill(2) would signal our own group, or all processes
	}
	if err := syscall.Kill(-pgid, sig); err != nil {
		return fmt.Errorf("signal process group %d: %w", pgid, err)
	}
	return nil
}

// GroupAlive reports whether the group has any process, even a zombie.
func GroupAlive(pgid int) bool {
	return pgid > 1 && !errors.Is(syscall.Kill(-pgid, 0), syscall.ESRCH)
}

// Package launch starts processes for the arbiter. It decides what each is given
// and where its output goes.
package launch

import (
	"context"
	"fmt"
	"strconv"

	"github.com/gonicorn/gonicorn/arbiter"
	"github.com/gonicorn/gonicorn/internal/listen"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/resources"
	"github.com/gonicorn/gonicorn/internal/wire"
	"golang.org/x/sys/unix"
)

// Launcher starts processes of one generation and one role. It implements
// arbiter.Launcher.
type Launcher struct {
	Host     *Host
	Role     string
	Spec     proc.Spec // Files and the last of Env are added for each start
	Sockets  []*listen.Socket
	Inside   bool // it runs gonicorn's own code: it gets a page of the scoreboard and the lifeline
	Guards   bool // it may have to end the workers: it gets the register of processes that it may signal
	Outlives bool // it logs when the arbiter is gone: it gets the error log
	Capture  bool // its output goes to the error log
	Stdout   bool // except stdout, which is this process's
	Limits   *resources.Limits
	Source   Source // provides workers that have a process already; may be nil
	// Equip, which may be nil, adds what only this one process gets.
	Equip func(p arbiter.Place, spec *proc.Spec) (Equipment, error)
}

// Source provides workers that Launcher does not start itself: a template forks
// them, or they were started before they had a place.
type Source interface {
	// Launch gives a place to a worker. has is false if there is no worker: the
	// caller must start one.
	Launch(p arbiter.Place) (process arbiter.Process, has bool, err error)
	// Close ends the processes that have no place.
	Close()
}

// Equipment belongs to one process.
type Equipment struct {
	Started func(err error) // called once the process has started, or could not be started
	Probe   func(ctx context.Context) (arbiter.Endpoint, error)
	Unready string
}

// Launch implements arbiter.Launcher.
func (l *Launcher) Launch(p arbiter.Place) (arbiter.Process, error) {
	if l.Role == "worker" {
		l.Host.age.Store(int64(p.Age))
	}
	if l.Source != nil {
		if process, has, err := l.Source.Launch(p); has || err != nil {
			return process, err
		}
	}
	spec := l.Spec
	spec.Env = append(append([]string{}, spec.Env...),
		wire.EnvWorkerID+"="+strconv.Itoa(p.ID),
		wire.EnvGeneration+"="+strconv.Itoa(p.Generation))
	if !l.Capture {
		spec.Files = l.Files(1, 2)
		return l.start(spec, p)
	}
	r, w, err := proc.Pipe()
	if err != nil {
		return arbiter.Process{}, fmt.Errorf("read output of %s: %w", l.Role, err)
	}
	spec.Files = l.Files(w, w)
	if l.Stdout {
		spec.Files = l.Files(1, w)
	}
	process, err := l.start(spec, p)
	unix.Close(w)
	if err != nil {
		unix.Close(r)
		return arbiter.Process{}, err
	}
	process.Output = l.Read(r, p.ID, process.PID)
	return process, nil
}

// start adds everything that the process gets except its output, and starts it.
func (l *Launcher) start(spec proc.Spec, p arbiter.Place) (arbiter.Process, error) {
	if l.Outlives {
		if fd, closed := l.Host.Logs.LastWords(); fd >= 0 {
			defer closed()
			spec = With(spec, wire.EnvLog, fd)
		}
	}
	var own Equipment
	var err error
	if l.Inside {
		page, err := l.Host.Board.Page(p.Slot)
		if err != nil {
			return arbiter.Process{}, fmt.Errorf("start %s: %w", l.Role, err)
		}
		defer unix.Close(page)
		spec = l.Inherit(spec)
		spec = With(spec, wire.EnvPage, page)
	}
	if l.Guards {
		spec = With(spec, wire.EnvChildren, l.Host.Children.FD())
		spec = With(spec, wire.EnvCounts, l.Host.Board.FD())
	}
	if l.Equip != nil {
		if own, err = l.Equip(p, &spec); err != nil {
			return arbiter.Process{}, fmt.Errorf("start %s: %w", l.Role, err)
		}
	}
	var kills func() int
	if spec.Limits, kills, err = l.Limits.Of(p.ID, p.Slot); err != nil {
		if own.Started != nil {
			own.Started(err)
		}
		return arbiter.Process{}, fmt.Errorf("start %s: %w", l.Role, err)
	}
	spec, started := l.Host.Expect(spec)
	pid, err := proc.Start(spec)
	started(pid)
	if own.Started != nil {
		own.Started(err)
	}
	if err != nil {
		return arbiter.Process{}, fmt.Errorf("start %s: %w", l.Role, err)
	}
	return arbiter.Process{PID: pid, Probe: own.Probe, Unready: own.Unready, OOMKills: kills, Guards: l.Guards}, nil
}

// Files lists descriptors 0 to 2 of the process, and the sockets from 3 up.
func (l *Launcher) Files(stdout, stderr int) []int {
	files := []int{l.Host.null, stdout, stderr}
	for _, s := range l.Sockets {
		files = append(files, s.FD)
	}
	return files
}

// Inherit adds the lifeline.
func (l *Launcher) Inherit(spec proc.Spec) proc.Spec {
	return With(spec, wire.EnvLifeline, l.Host.Lifeline)
}

// With adds a descriptor, and an environment variable with its number.
func With(spec proc.Spec, name string, fd int) proc.Spec {
	spec.Env = append(spec.Env, name+"="+strconv.Itoa(len(spec.Files)))
	spec.Files = append(spec.Files, fd)
	return spec
}

// Read copies a process's output to the error log, line by line.
func (l *Launcher) Read(fd, id, pid int) arbiter.Output { return l.Host.Read(l.Role, fd, id, pid) }

// Confine moves a worker of a Source into its cgroup: it was started before that
// was known.
func (l *Launcher) Confine(p arbiter.Place, pid int) {
	if err := l.Limits.Confine(p.Slot, pid); err != nil {
		l.Host.Logs.Own.Warn("worker is in no cgroup of its own", "pid", pid, "error", err)
	}
}

// Package supervise runs one gonicorn from start to end. It makes a plan of each
// config that is read, lets the arbiter start what is in it, and puts it in force.
package supervise

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/gonicorn/gonicorn/arbiter"
	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/internal/daemon"
	"github.com/gonicorn/gonicorn/internal/errcode"
	"github.com/gonicorn/gonicorn/internal/hooks"
	"github.com/gonicorn/gonicorn/internal/launch"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/servicemanager"
	"github.com/gonicorn/gonicorn/internal/sockets"
	"github.com/gonicorn/gonicorn/internal/upgrade"
	"github.com/gonicorn/gonicorn/workers"
	"golang.org/x/sys/unix"
)

// Start is the input of a run of gonicorn.
type Start struct {
	App       App             // named by the command line
	Classes   []workers.Class // all that exist
	IsHandler bool            // gonicorn is a library in a program that is the app
	Config    *config.Loaded
	// Reread reads the config for a reload.
	Reread func(ctx context.Context, helpers *proc.Helpers) (*config.Loaded, error)
	Report *daemon.Report // tells how the start went; nil if nobody waits for that
}

// config is the config that this process was started with.
func (s *Start) config() *config.Config { return &s.Config.Config }

// forbidBatch turns batch_scheduling off for good if the system would end processes
// that make use of it. It reports whether it did.
func (s *Start) forbidBatch() bool {
	if _, is := s.App.(*pythonApp); !is || proc.MayScheduleBatch() {
		return false
	}
	reread := s.Reread
	s.Reread = func(ctx context.Context, helpers *proc.Helpers) (*config.Loaded, error) {
		l, err := reread(ctx, helpers)
		if err == nil {
			l.Config.BatchScheduling = false
		}
		return l, err
	}
	was := s.config().BatchScheduling
	s.config().BatchScheduling = false
	return was
}

// supervisor owns everything in one run of gonicorn except the workers. It builds
// the generations that the arbiter starts.
type supervisor struct {
	given    Start
	began    time.Time
	host     *launch.Host // what all processes share
	log      *slog.Logger // for the arbiter's own lines
	holdings holdings
	sockets  sockets.Set
	admin    sockets.Set // the sockets of admin_bind
	gateway  gatewaySide
	serving  serving
	watches  watches
	hooks    *hooks.Hooks
	upgrade  *upgrade.Upgrader
	console  controlSocket
	arbiter  *arbiter.Arbiter
	inbox    inbox
}

// Run supervises one app until it is told to stop.
func Run(ctx context.Context, start Start) (err error) {
	defer func() {
		if err != nil {
			start.Report.Done(errcode.Exit(err), err)
		}
	}()
	first := start.Config
	ownThreads(start.IsHandler)
	forbidden := start.forbidBatch()
	s := &supervisor{given: start, began: time.Now(), inbox: newInbox()}
	s.holdings.manager = servicemanager.New()
	handed, err := upgrade.Inherit()
	if err != nil {
		return err
	}
	if err := s.open(&first.Config); err != nil {
		s.close()
		return err
	}
	if p, is := start.App.(*pythonApp); is {
		p.helpers = s.host.Helpers
	}
	s.hooks = s.newHooks()
	s.upgrade = s.upgrader(handed)
	defer func() {
		s.upgrade.GoBack(err)
		s.close()
	}()
	if err := errors.Join(s.sockets.Adopt(handed.Sockets, false), s.admin.Adopt(handed.Sockets, true)); err != nil {
		return err
	}
	// The end of ctx asks for a stop. Children must still be reaped during the
	// stop, so signals are handled for as long as the arbiter runs.
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	s.inbox.listenForSignals(running)
	p, err := s.prepare(&first.Config)
	if err != nil {
		return err
	}
	s.sockets.DropHanded(func(bind string) {
		s.log.Warn("closed an inherited socket that no bind names", "socket", bind)
	})
	if err := s.takePidfile(&first.Config); err != nil {
		p.giveUp()
		return err
	}
	if err := s.beginHooks(p); err != nil {
		p.giveUp()
		return err
	}
	defer s.hooks.Close()
	s.banner(p)
	if forbidden {
		s.log.Info("batch_scheduling is off: a filter for system calls forbids sched_setscheduler(2); " +
			"under systemd, SystemCallFilter=sched_setscheduler allows it")
	}
	for _, warning := range first.Warnings {
		s.log.Warn(warning)
	}
	err = s.interruptibly(ctx, func(ctx context.Context) error { return s.complete(ctx, p, 1) })
	if errors.Is(err, errStopped) || ctx.Err() != nil {
		p.giveUp()
		s.log.Info("gonicorn has stopped")
		return nil
	}
	if err != nil {
		p.giveUp()
		return err
	}
	if err := s.prepareGateway(p); err != nil {
		p.giveUp()
		return err
	}
	s.watches.while = running
	begun, err := s.plan(ctx, p, 1)
	if err != nil {
		return err
	}
	begun.commit()
	if p.frontend != nil {
		s.serving.adopt(p)
	}
	if handed.Replaces() {
		s.upgrade.AwaitPredecessor(handed)
	} else {
		s.ownSockets(true)
	}
	s.holdings.manager.Keep(&s.sockets, handed.Replaces(), func(err error) { s.log.Debug("the service manager keeps no socket", "error", err) })
	s.log.Info(fmt.Sprintf("worker class: %s, workers: %d, transport: %s", p.class.Name(), first.Config.Workers, p.transport))
	s.runManager(running)
	if err := s.watch(running, p); err != nil {
		p.giveUp()
		return err
	}
	guard, err := s.guard(p)
	if err != nil {
		p.giveUp()
		return err
	}
	monitor, err := s.monitor(p)
	if err != nil {
		p.giveUp()
		return err
	}
	s.admin.DropHanded(func(bind string) {
		s.log.Debug("closed the old admin_bind, which is no longer configured", "socket", bind)
	})
	loading, isLoaded := context.WithCancel(running)
	defer isLoaded()
	if a, is := p.app.(*pythonApp); is && p.launcher == nil {
		s.inbox.wg.Go(func() { s.tellProgress(loading, a.name) })
	}
	s.arbiter = arbiter.New(arbiter.Options{
		Board: s.host.Board, Children: s.host.Children, Notes: s.host.Notify.Messages(), Log: s.log, Actions: s.inbox.actions,
		First: begun.loaded, Guard: guard, Monitor: monitor, Publish: s.publish, Ended: s.gateway.links.Ends, Forsake: s.forsake, Observe: s.observe,
		Upgrade: s.upgrade.BySignal, Refuse: s.sockets.Close,
		Tell: s.tellManager(), Watchdog: s.holdings.manager.Watchdog(),
		Load: s.load, Reopen: s.host.Logs.Reopen, Ready: func() { isLoaded(); s.ready(start.Report) },
		ReapAll: !start.IsHandler || os.Getpid() == 1, Helpers: s.host.Helpers, OnTerminal: onTerminal() && !first.Config.Daemon,
	})
	s.openConsole(&first.Config)
	err = s.arbiter.Run(ctx)
	s.upgrade.AwaitSuccessor()
	s.console.server.Close()
	if s.console.link != "" {
		_ = os.Remove(s.console.link) // it may be gone already
	}
	close(s.host.Stopped)
	cancel()
	s.upgrade.Wait()
	s.inbox.wg.Wait()
	if err != nil {
		s.log.Error("gonicorn gives up", "error", err, "code", errcode.Of(err))
		return err
	}
	s.log.Info("gonicorn has stopped")
	return nil
}

const (
	arbiterProcs = 4 // threads of the arbiter that run at once
	arbiterSpare = 8 // more threads, which wait in system calls
)

// ownThreads makes all threads that this process will need now: Go ends a process
// that cannot make another thread because of a limit.
func ownThreads(isHandler bool) {
	procs := runtime.GOMAXPROCS(0)
	if !isHandler { // a program with a handler may need all threads itself
		procs = min(procs, arbiterProcs)
		runtime.GOMAXPROCS(procs)
	}
	proc.ReserveThreads(procs + arbiterSpare)
}

// beginHooks runs on_starting. A successor runs it too: the hook may have changed.
func (s *supervisor) beginHooks(p *prepared) error {
	if _, is := p.app.(*pythonApp); is {
		if err := s.host.OpenRunner(); err != nil {
			return err
		}
	}
	s.hooks.Adopt(hooksOf(p.config, p.app))
	return errcode.With("GON027", s.hooks.First())
}

// runManager sends the arbiter's messages to the service manager.
func (s *supervisor) runManager(ctx context.Context) {
	if s.holdings.manager == nil {
		return
	}
	s.inbox.wg.Go(func() {
		s.holdings.manager.Run(ctx, func(err error) { s.log.Debug("cannot tell the service manager", "error", err) })
	})
}

// tellManager returns the function by which the arbiter tells the service manager
// its state; nil without a manager. A gonicorn that stops because a successor took
// over sends the successor's MAINPID instead of STOPPING=1.
func (s *supervisor) tellManager() func(state ...string) {
	if s.holdings.manager == nil {
		return nil
	}
	return func(state ...string) {
		if len(state) == 1 && state[0] == "STOPPING=1" {
			if pid := s.upgrade.Successor(); pid != 0 {
				state = []string{"MAINPID=" + strconv.Itoa(pid)}
			}
		}
		s.holdings.manager.Say(state...)
	}
}

// ready announces that the app serves.
func (s *supervisor) ready(report *daemon.Report) {
	report.Done(errcode.ExitOK, nil)
	s.log.Info("ready")
	s.hooks.Tell(hooks.Event{Event: "when_ready"})
	s.upgrade.RetireOld()
}

// onTerminal reports whether this process is in the foreground of a terminal. It
// then gets a WINCH whenever the terminal's size changes.
func onTerminal() bool {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

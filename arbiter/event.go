package arbiter

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/gonicorn/gonicorn/internal/notify"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/status"
	"github.com/gonicorn/gonicorn/internal/wire"
	"github.com/gonicorn/gonicorn/signals"
)

// event is something that happened. The types below and in operate.go are all there are.
type event interface{ isEvent() }

type (
	tick      struct{}                         // a deadline may have passed
	signalled struct{ action signals.Action }  // the operator, or the kernel about a child
	notified  struct{ message notify.Message } // a worker spoke
	exited    struct{ exit proc.Exit }         // a child was reaped and its output is complete
	loaded    struct {                         // a reload's config was read, or could not be
		number int
		what   Loaded
		err    error
	}
	measured struct {
		at  time.Duration
		use map[int]proc.Use // by process group
	}
	asked    struct{ answer chan<- status.Fleet }
	reopened struct{ err error }
	scaled   struct{ workers int }
	renewed  struct{ why Renewal }
	probed   struct { // a worker accepts connections, or its probe was given up
		pid      int
		endpoint Endpoint
		err      error
	}
	stuck    struct{ wire.Stuck }    // a gateway reports a worker that is stuck and may not be able to report it itself
	brokeOff struct{ slot, pid int } // a worker sent the gateway invalid data
	idled    struct{ slot, pid int } // the gateway has nothing in flight at a draining worker
)

func (tick) isEvent()      {}
func (signalled) isEvent() {}
func (notified) isEvent()  {}
func (exited) isEvent()    {}
func (loaded) isEvent()    {}
func (measured) isEvent()  {}
func (asked) isEvent()     {}
func (reopened) isEvent()  {}
func (scaled) isEvent()    {}
func (renewed) isEvent()   {}
func (probed) isEvent()    {}
func (idled) isEvent()     {}

func (stuck) isEvent()    {}
func (brokeOff) isEvent() {}

// post sends an event to the loop from another goroutine, unless the loop has
// ended.
func (a *Arbiter) post(e event) {
	select {
	case a.loop.events <- e:
	case <-a.loop.done:
	}
}

func (a *Arbiter) handle(ctx context.Context, e event, now time.Duration) {
	switch e := e.(type) {
	case signalled:
		a.signalled(ctx, e.action, now)
	case notified:
		a.notified(e.message, now)
	case exited:
		a.exited(e.exit, now)
	case loaded:
		a.loaded(e, now)
	case measured:
		a.measured(e)
	case asked:
		a.scaling.watched = now + watchedFor
		e.answer <- a.status(now)
	case reopened:
		if e.err != nil {
			a.Log.Error("cannot reopen logs", "error", e.err)
		}
	case scaled:
		a.workers.scale(e.workers, now)
	case renewed:
		a.workers.renew(e.why)
	case probed:
		a.workers.probed(e, now)
	case reloadAsked, renewAsked, shownStacks:
		a.operate(e)
	case stuck:
		a.workers.stuck(e.Stuck, now)
	case brokeOff:
		a.workers.brokeOff(e.slot, e.pid, now)
	case idled:
		a.workers.idled(e.slot, e.pid, now)
	}
}

func (a *Arbiter) signalled(ctx context.Context, action signals.Action, now time.Duration) {
	if action == signals.Child {
		a.reap(now)
		return
	}
	a.Log.Info("signal", "action", action.String())
	switch action {
	case signals.Stop:
		a.beginStop(now)
	case signals.Quit:
		a.refuse()
		if a.front != nil {
			a.front.quitAll(now)
		}
		a.workers.quitAll(now)
		for i := range a.children.stragglers {
			a.children.stragglers[i].deadline = min(a.children.stragglers[i].deadline, now+quickGrace)
		}
	case signals.Reload:
		a.wantReload()
	case signals.Reopen:
		go func() { a.post(reopened{a.Reopen()}) }()
		for _, f := range a.fleets() {
			for _, w := range f.workers() {
				if w.gen.Settings.ReopensLogs {
					f.procs.signal(w, syscall.SIGUSR1)
				}
			}
		}
	case signals.Upgrade:
		if a.Upgrade != nil {
			a.Upgrade()
		}
	case signals.Drain:
		if a.OnTerminal {
			a.Log.Debug("WINCH ignored: it came from the terminal's window")
			return
		}
		if a.front != nil && a.workers.phase == serving {
			a.ending.emptying = true // the gateway finishes first, with the workers' help
			return
		}
		a.workers.act(action, now)
	default:
		a.workers.act(action, now)
	}
}

func (a *Arbiter) notified(m notify.Message, now time.Duration) {
	for _, f := range a.fleets() {
		if w := f.find(m.PID, m.PGID); w != nil {
			f.notified(w, m.Fields, now)
			return
		}
	}
	a.Log.Debug("notification from a process that is not a worker ignored", "pid", m.PID)
}

// reap reaps every child that has ended. A worker's exit is handled once its
// last output has been read.
func (a *Arbiter) reap(now time.Duration) {
	for _, exit := range a.children.reaper.Reap(nil) {
		a.children.reaper.Disown(exit.PID)
		w := a.find(exit.PID)
		if w == nil {
			continue
		}
		w.reaped = true
		a.children.kernel.endProbe(w.pid)
		if proc.GroupAlive(exit.PID) {
			a.strand(w, now)
		}
		go a.readOut(exit, w.output)
	}
}

// readOut waits for the rest of a dead worker's output, but only for a moment:
// another process of its group may keep the pipe open for long.
func (a *Arbiter) readOut(exit proc.Exit, output Output) {
	if output != nil {
		bound := time.NewTimer(200 * time.Millisecond)
		defer bound.Stop()
		select {
		case <-output.Done():
		case <-bound.C:
		}
	}
	a.post(exited{exit})
}

func (a *Arbiter) find(pid int) *worker {
	for _, f := range a.fleets() {
		if w := f.find(pid, 0); w != nil {
			return w
		}
	}
	return nil
}

func (a *Arbiter) exited(exit proc.Exit, now time.Duration) {
	for _, f := range a.fleets() {
		w := f.find(exit.PID, 0)
		if w == nil {
			continue
		}
		why := exit.String()
		switch {
		case exit.Signal() != syscall.SIGKILL || w.leaving.killed:
		case w.oomKills != nil && w.oomKills() > 0:
			why += ": out of memory (cgroup_memory_max)"
		case a.children.oom.Killed():
			why += ": out of memory?"
		}
		if f == a.workers && a.Ended != nil {
			a.Ended(crash(w, exit))
		}
		f.exited(exit, why, now)
		a.children.kernel.free(w.place.Slot)
		if w.output != nil && !slices.ContainsFunc(a.children.stragglers, func(s straggler) bool { return s.pgid == w.pid }) {
			w.output.Close()
		}
		return
	}
}

// strand starts ending the processes that a dead worker has left behind.
func (a *Arbiter) strand(w *worker, now time.Duration) {
	deadline := now + w.gen.Settings.GracefulTimeout
	if w.stage == draining || w.stage == quick || w.stage == aborting {
		deadline = min(deadline, w.leaving.deadline)
	}
	a.Log.Warn("worker left processes behind: ending them", "worker", w.place.ID, "pgid", w.pid)
	_ = proc.SignalGroup(w.pid, syscall.SIGTERM) // an error means that they are gone already
	a.children.stragglers = append(a.children.stragglers, straggler{id: w.place.ID, pgid: w.pid, deadline: deadline, output: w.output})
}

// sweep kills the processes that dead workers have left behind, once their time is over.
func (a *Arbiter) sweep(now time.Duration) time.Duration {
	kept := a.children.stragglers[:0]
	for _, s := range a.children.stragglers {
		if !proc.GroupAlive(s.pgid) {
			if s.output != nil {
				s.output.Close()
			}
			continue
		}
		if now >= s.deadline {
			_ = proc.SignalGroup(s.pgid, syscall.SIGKILL)
		}
		kept = append(kept, s)
	}
	a.children.stragglers = kept
	if len(kept) == 0 {
		return forever
	}
	return now + 50*time.Millisecond
}

// Idle says that the gateway has nothing in flight at a leaving worker.
func (a *Arbiter) Idle(slot, pid int) { a.post(idled{slot, pid}) }

// Stuck says that a worker is stuck and may not be able to report it itself.
func (a *Arbiter) Stuck(w wire.Stuck) { a.post(stuck{w}) }

// Broken says that a worker sent the gateway invalid data and must be replaced.
func (a *Arbiter) Broken(slot, pid int) { a.post(brokeOff{slot, pid}) }

// Scale asks for n workers.
func (a *Arbiter) Scale(n int) { a.post(scaled{n}) }

// Renew replaces every worker that serves now, a few at a time. Each goes once
// its successor is ready.
func (a *Arbiter) Renew(why Renewal) { a.post(renewed{why}) }

// Status asks the loop for its status. It fails if the context ends first or
// the arbiter has stopped.
func (a *Arbiter) Status(ctx context.Context) (status.Fleet, error) {
	answer := make(chan status.Fleet, 1)
	select {
	case a.loop.events <- asked{answer}:
		return <-answer, nil
	case <-a.loop.done:
		return status.Fleet{}, fmt.Errorf("ask arbiter: %w", ErrStopped)
	case <-ctx.Done():
		return status.Fleet{}, fmt.Errorf("ask arbiter: %w", context.Cause(ctx))
	}
}

package supervise

import (
	"github.com/gonicorn/gonicorn/arbiter"
	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/internal/hooks"
	"github.com/gonicorn/gonicorn/internal/launch"
)

// newHooks makes the hooks that run beside this process.
func (s *supervisor) newHooks() *hooks.Hooks {
	return hooks.New(hooks.Host{
		Log: s.log, Output: s.host.Logs.Output, Helpers: s.host.Helpers, Runner: s.host.Runner,
		Read: func(fd, pid int) hooks.Output { return s.host.Read("hooks", fd, 0, pid) },
	})
}

// hooksOf returns the hooks that a config asks for.
func hooksOf(c *config.Config, a App) hooks.Source {
	src := hooks.Source{Config: c, Environ: launch.Environ(c)}
	if p, is := a.(*pythonApp); is {
		src.Interpreter, src.Settings = p.interpreter, p.settings(c, "")
	}
	return src
}

// observe turns the arbiter's events into events for hooks.
func (s *supervisor) observe(what arbiter.Happening) {
	w := &hooks.Worker{ID: what.Place.ID, PID: what.PID, Age: what.Place.Age, Generation: what.Place.Generation, Seconds: what.Age.Seconds()}
	e := hooks.Event{Worker: w, Workers: what.Wanted}
	switch what.What {
	case arbiter.WorkerStarted:
		e.Event = "pre_fork"
	case arbiter.WorkerHung:
		e.Event, w.Reason = "worker_abort", what.Reason
	case arbiter.WorkerGone:
		e.Event, w.Exit = "child_exit", what.Reason
	case arbiter.WorkersWanted:
		e.Event, e.Worker, e.Before = "nworkers_changed", nil, what.Before
	}
	s.hooks.Tell(e)
}

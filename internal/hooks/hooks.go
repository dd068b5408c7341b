// Package hooks runs the hooks of a config when something happens to gonicorn: the
// commands of [hooks], and the master's hooks of a gunicorn.conf.py, which run in
// one Python process. Reporting an event never blocks.
package hooks

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/workers/python"
)

// queueLength is how many events may wait for slow hooks; any more are lost.
const queueLength = 1024

// Event is what a hook gets, as JSON. Tell sets its PID.
type Event struct {
	Event   string  `json:"event"`
	PID     int     `json:"pid"` // the arbiter's
	Worker  *Worker `json:"worker,omitempty"`
	Workers int     `json:"workers,omitempty"` // how many are wanted
	Before  int     `json:"before,omitempty"`  // how many were wanted before; 0 at the start
}

// Worker is the worker that an event is about.
type Worker struct {
	ID         int     `json:"id"`
	PID        int     `json:"pid"`
	Age        int     `json:"age"` // the number of this start, as in Gunicorn
	Generation int     `json:"generation"`
	Seconds    float64 `json:"seconds"` // since its start
	Reason     string  `json:"reason,omitempty"`
	Exit       string  `json:"exit,omitempty"`
}

// runner runs the hooks of one kind, one event at a time. It may take long.
type runner interface {
	// run returns the hook's error.
	run(ctx context.Context, e Event) error
	// wants reports whether there is a hook for the event.
	wants(event string) bool
	// close ends the processes that the runner has started.
	close()
}

// Host is what hooks need from the process that they run beside.
type Host struct {
	Log     *slog.Logger  // gonicorn's own lines
	Output  *slog.Logger  // what hooks write
	Helpers *proc.Helpers // starts processes that the arbiter does not reap
	// Read logs the output of the Python process for hooks.
	Read func(fd, pid int) Output
	// Runner returns the file of the Python runner. It is called only if a
	// config has hooks in Python.
	Runner func() int
}

// Output is what a process has written.
type Output interface {
	Done() <-chan struct{} // closed when all of it has been logged
	Close() error
}

// Source is what the hooks of one config are made from.
type Source struct {
	Config  *config.Config
	Environ []string // of the processes that run hooks
	// The interpreter and the settings of a Python app. Without one, the
	// interpreter's path is empty.
	Interpreter python.Interpreter
	Settings    python.Settings
}

// Hooks passes events to the runners, one after the other. It never blocks the
// goroutine that reports an event.
type Hooks struct {
	host   Host
	wg     sync.WaitGroup
	ctx    context.Context // ends when the last hooks run out of time
	giveUp context.CancelFunc

	mu      sync.Mutex
	with    config.Config
	python  python.Interpreter
	lines   []*line
	workers int
	closed  bool
}

// line is the queue in front of one runner.
type line struct {
	runner runner
	queue  chan Event
	full   bool
}

// New returns hooks without a config; Adopt gives them one.
func New(host Host) *Hooks {
	h := &Hooks{host: host}
	h.ctx, h.giveUp = context.WithCancel(context.Background())
	return h
}

// Adopt switches to the hooks of a config, unless they are the same as now.
//
//config:commit
func (h *Hooks) Adopt(src Source) {
	c := src.Config
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return // a reload was in progress when gonicorn stopped
	}
	if h.lines != nil && h.python == src.Interpreter && reflect.DeepEqual(h.with.Conf, c.Conf) && h.with.Hooks == c.Hooks && h.with.HookTimeout == c.HookTimeout {
		return
	}
	h.end()
	h.with, h.python = *c, src.Interpreter
	var runners []runner
	if r := newCommandHooks(h.host, src); r != nil {
		runners = append(runners, r)
	}
	if src.Interpreter.Path != "" {
		if r := newPythonHooks(h.host, src); r != nil {
			runners = append(runners, r)
		}
	}
	h.lines = []*line{}
	for _, r := range runners {
		l := &line{runner: r, queue: make(chan Event, queueLength)}
		h.lines = append(h.lines, l)
		h.wg.Go(func() { h.work(l) })
	}
}

// work runs the events of one runner until there are no more.
func (h *Hooks) work(l *line) {
	defer l.runner.close()
	for e := range l.queue {
		if err := l.runner.run(h.ctx, e); err != nil {
			h.host.Log.Error("the hook "+e.Event+" failed", "error", err)
		}
	}
}

// First runs on_starting and waits for it: nothing else runs yet that it could
// delay. If it returns an error, gonicorn does not start.
func (h *Hooks) First() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), h.with.HookTimeout)
	defer cancel()
	for _, l := range h.lines {
		if !l.runner.wants("on_starting") {
			continue
		}
		if err := l.runner.run(ctx, Event{Event: "on_starting", PID: os.Getpid(), Workers: h.with.Workers}); err != nil {
			return fmt.Errorf("the hook on_starting failed: %w", err)
		}
	}
	return nil
}

// Tell queues an event for the hooks.
func (h *Hooks) Tell(e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e.PID = os.Getpid()
	if e.Workers == 0 {
		e.Workers = h.workers
	}
	h.workers = e.Workers
	for _, l := range h.lines {
		if !l.runner.wants(e.Event) {
			continue
		}
		select {
		case l.queue <- e:
			l.full = false
		default:
			if !l.full {
				h.host.Log.Warn("hooks are too slow: events are lost", "event", e.Event)
			}
			l.full = true
		}
	}
}

// Close runs on_exit and waits for all hooks, at most for hook_timeout.
func (h *Hooks) Close() {
	h.Tell(Event{Event: "on_exit"})
	h.mu.Lock()
	h.end()
	h.closed = true
	timeout := h.with.HookTimeout
	h.mu.Unlock()
	done := make(chan struct{})
	go func() {
		h.wg.Wait()
		close(done)
	}()
	late := time.NewTimer(max(timeout, time.Second))
	defer late.Stop()
	select {
	case <-done:
	case <-late.C:
		h.host.Log.Warn("hooks have not finished in time: they are given up", "hook_timeout", timeout)
		h.giveUp()
		<-done
	}
	h.giveUp()
}

// end lets the runners finish what is in their queues, and then stop.
func (h *Hooks) end() {
	for _, l := range h.lines {
		close(l.queue)
	}
	h.lines = nil
}

// masterHooks are the hooks of a gunicorn.conf.py that run beside the arbiter.
func masterHooks(defined []string) []string {
	var own []string
	for _, name := range []string{"on_starting", "on_reload", "when_ready", "pre_fork", "pre_exec", "child_exit", "nworkers_changed", "on_exit"} {
		if slices.Contains(defined, name) {
			own = append(own, name)
		}
	}
	return own
}

// Package hooks runs what a config wants done when something happens to gonicorn:
// the commands of [hooks], and the hooks of a gunicorn.conf.py that belong to
// the master, in one Python process. Whoever tells of an event never waits.
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

// queueLength is how many events may wait for slow hooks; further ones are lost.
const queueLength = 1024

// Event is what a hook is told, as JSON. Its PID is set by Tell.
type Event struct {
	Event   string  `json:"event"`
	PID     int     `json:"pid"` // the arbiter's
	Worker  *Worker `json:"worker,omitempty"`
	Workers int     `json:"workers,omitempty"` // how many are wanted
	Before  int     `json:"before,omitempty"`  // how many were; 0 at the start
}

// Worker is the worker that an event is about.
type Worker struct {
	ID         int     `json:"id"`
	PID        int     `json:"pid"`
	Age        int     `json:"age"` // counts starts, as in Gunicorn
	Generation int     `json:"generation"`
	Seconds    float64 `json:"seconds"` // since its start
	Reason     string  `json:"reason,omitempty"`
	Exit       string  `json:"exit,omitempty"`
}

// runner runs the hooks of one kind for one event. It may take its time.
type runner interface {
	// run returns what the hook says is wrong.
	run(ctx context.Context, e Event) error
	// wants reports whether there is a hook for the event.
	wants(event string) bool
	// close ends what the runner has started.
	close()
}

// Host is what hooks need of the process that they run beside.
type Host struct {
	Log     *slog.Logger  // gonicorn's own lines
	Output  *slog.Logger  // what hooks write
	Helpers *proc.Helpers // starts processes that the arbiter does not reap
	// Read logs what the Python process of hooks writes.
	Read func(fd, pid int) Output
	// Runner is the file of the Python runner. It is called where a config has
	// hooks in Python only.
	Runner func() int
}

// Output is what a process has written.
type Output interface {
	Done() <-chan struct{} // closed when all of it has been logged
	Close() error
}

// Source is what the hooks of one config are made of.
type Source struct {
	Config  *config.Config
	Environ []string // of the processes that run hooks
	// The interpreter and the settings of a Python app; without a path there is
	// none.
	Interpreter python.Interpreter
	Settings    python.Settings
}

// Hooks tells runners what happens, one event after the other, without ever
// holding up whoever tells.
type Hooks struct {
	host   Host
	wg     sync.WaitGroup
	ctx    context.Context // ends when the time for the last hooks is over
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

// New returns hooks of no config; Adopt gives them one.
func New(host Host) *Hooks {
	h := &Hooks{host: host}
	h.ctx, h.giveUp = context.WithCancel(context.Background())
	return h
}

// Adopt takes over the hooks of a config, unless they are those that run.
//
//config:commit
func (h *Hooks) Adopt(src Source) {
	c := src.Config
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return // a reload was under way when gonicorn stopped
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

// First runs on_starting, before anything is there that it could hold up. An
// error of it is why gonicorn does not start.
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

// Tell has the hooks run for an event, soon.
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

// Close runs on_exit and waits for all hooks, but not for long.
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

// end lets the runners finish what waits for them.
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

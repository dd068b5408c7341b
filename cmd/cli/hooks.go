package cli

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/gonicorn/gonicorn/arbiter"
	"github.com/gonicorn/gonicorn/config"
)

// hookQueue is how many events may wait for slow hooks; further ones are lost.
const hookQueue = 1024

// hookEvent is what a hook is told, as JSON.
type hookEvent struct {
	Event   string      `json:"event"`
	PID     int         `json:"pid"` // the arbiter's
	Worker  *hookWorker `json:"worker,omitempty"`
	Workers int         `json:"workers,omitempty"` // how many are wanted
	Before  int         `json:"before,omitempty"`  // how many were; 0 at the start
}

type hookWorker struct {
	ID         int     `json:"id"`
	PID        int     `json:"pid"`
	Age        int     `json:"age"` // counts starts, as in Gunicorn
	Generation int     `json:"generation"`
	Seconds    float64 `json:"seconds"` // since its start
	Reason     string  `json:"reason,omitempty"`
	Exit       string  `json:"exit,omitempty"`
}

// hookRunner runs the hooks of one kind for one event. It may take its time.
type hookRunner interface {
	// run returns what the hook says is wrong.
	run(ctx context.Context, e hookEvent) error
	// wants reports whether there is a hook for the event.
	wants(event string) bool
	// close ends what the runner has started.
	close()
}

// hooks tells runners what happens, one event after the other, without ever
// holding up whoever tells.
type hooks struct {
	s      *supervisor
	wg     sync.WaitGroup
	ctx    context.Context // ends when the time for the last hooks is over
	giveUp context.CancelFunc

	mu      sync.Mutex
	with    config.Config
	lines   []*hookLine
	workers int
	closed  bool
}

// hookLine is the queue in front of one runner.
type hookLine struct {
	runner hookRunner
	queue  chan hookEvent
	full   bool
}

func newHooks(s *supervisor) *hooks {
	h := &hooks{s: s}
	h.ctx, h.giveUp = context.WithCancel(context.Background())
	return h
}

// adopt takes over the hooks of a config.
func (h *hooks) adopt(c *config.Config, a app) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return // a reload was under way when gonicorn stopped
	}
	if h.lines != nil && reflect.DeepEqual(h.with.Conf, c.Conf) && h.with.Hooks == c.Hooks && h.with.HookTimeout == c.HookTimeout {
		return
	}
	h.end()
	h.with = *c
	var runners []hookRunner
	if r := newCommandHooks(h.s, c); r != nil {
		runners = append(runners, r)
	}
	if p, is := a.(*pythonApp); is {
		if r := newPythonHooks(h.s, c, p); r != nil {
			runners = append(runners, r)
		}
	}
	h.lines = []*hookLine{}
	for _, r := range runners {
		l := &hookLine{runner: r, queue: make(chan hookEvent, hookQueue)}
		h.lines = append(h.lines, l)
		h.wg.Go(func() { h.work(l) })
	}
}

// work runs the events of one runner until there are no more.
func (h *hooks) work(l *hookLine) {
	defer l.runner.close()
	for e := range l.queue {
		if err := l.runner.run(h.ctx, e); err != nil {
			h.s.log.Error("the hook "+e.Event+" failed", "error", err)
		}
	}
}

// first runs on_starting, before anything is there that it could hold up. An
// error of it is why gonicorn does not start.
func (h *hooks) first() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), h.with.HookTimeout)
	defer cancel()
	for _, l := range h.lines {
		if !l.runner.wants("on_starting") {
			continue
		}
		if err := l.runner.run(ctx, hookEvent{Event: "on_starting", PID: os.Getpid(), Workers: h.with.Workers}); err != nil {
			return coded("GON027", fmt.Errorf("the hook on_starting failed: %w", err))
		}
	}
	return nil
}

// tell has the hooks run for an event, soon.
func (h *hooks) tell(e hookEvent) {
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
				h.s.log.Warn("hooks are slower than what happens: events are lost", "event", e.Event)
			}
			l.full = true
		}
	}
}

// observe turns what the arbiter sees into events.
func (h *hooks) observe(what arbiter.Happening) {
	w := &hookWorker{ID: what.Place.ID, PID: what.PID, Age: what.Place.Age, Generation: what.Place.Generation, Seconds: what.Age.Seconds()}
	e := hookEvent{Worker: w, Workers: what.Wanted}
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
	h.tell(e)
}

// close runs on_exit and waits for all hooks, but not for long.
func (h *hooks) close() {
	h.tell(hookEvent{Event: "on_exit"})
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
		h.s.log.Warn("hooks have not finished in time: they are given up", "hook_timeout", timeout)
		h.giveUp()
		<-done
	}
	h.giveUp()
}

// end lets the runners finish what waits for them.
func (h *hooks) end() {
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

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/gonicorn/gonicorn/arbiter"
	"github.com/gonicorn/gonicorn/internal/control"
	"github.com/gonicorn/gonicorn/internal/errcode"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/wire"
	"github.com/gonicorn/gonicorn/workers/python"
	"golang.org/x/sys/unix"
)

// stacksTime is how long a worker whose import takes too long has to write its
// stacks, before it is killed.
const stacksTime = 2 * time.Second

// early are the first workers of a generation of a Python app, started before it
// is known whether that is WSGI or ASGI: the first of them tells. They load the
// app, and wait for what only the arbiter can give them: their places.
type early struct {
	l       *launcher
	mu      sync.Mutex
	waiting []*earlyWorker // that have no place yet, the first of them first
}

// earlyWorker is one of them.
type earlyWorker struct {
	pid    int
	wait   func() proc.Exit // for its end, as long as it is not the arbiter's child
	orders *python.Template // how it is told its place
	fd     int              // its output; -1 where that is not read
	output arbiter.Output   // nil until it is read
}

// startEarly starts as many workers. The first one has to tell what the app is.
func startEarly(l *launcher, set python.Settings, generation, many int) (*early, error) {
	e := &early{l: l}
	for id := 1; id <= many; id++ {
		set.Early, set.Tell = true, id == 1
		w, err := e.start(set, generation, id)
		if err != nil {
			e.close()
			return nil, fmt.Errorf("start worker: %w", err)
		}
		e.waiting = append(e.waiting, w)
	}
	return e, nil
}

func (e *early) start(set python.Settings, generation, id int) (*earlyWorker, error) {
	text, err := json.Marshal(set)
	if err != nil {
		return nil, fmt.Errorf("encode its settings: %w", err)
	}
	ours, theirs, err := control.SocketPair()
	if err != nil {
		return nil, err
	}
	defer unix.Close(theirs)
	r, output := -1, -1
	if e.l.capture {
		if r, output, err = proc.Pipe(); err != nil {
			unix.Close(ours)
			return nil, fmt.Errorf("read its output: %w", err)
		}
		defer unix.Close(output)
	}
	spec := e.l.spec
	spec.Env = append(append([]string{}, spec.Env...), wire.EnvWorker+"="+string(text), wire.EnvWorkerID+"="+strconv.Itoa(id),
		wire.EnvGeneration+"="+strconv.Itoa(generation), wire.EnvAge+"="+strconv.Itoa(int(e.l.s.ages.Load())+id))
	spec.Files = e.l.files(1, 2)
	if e.l.capture {
		spec.Files = e.l.files(output, output)
	}
	spec = e.l.inherit(spec)
	spec = with(spec, wire.EnvTemplate, theirs)
	spec = with(spec, wire.EnvRunner, e.l.s.runner)
	spec.Limits = e.l.limits.Base()
	pid, wait, err := e.l.s.helpers.Start(spec)
	if err != nil {
		closeAll(ours, r)
		return nil, err
	}
	return &earlyWorker{pid: pid, wait: wait, orders: python.NewTemplate(ours), fd: r}, nil
}

// read begins to read what a worker writes.
func (e *early) read(w *earlyWorker, id int) {
	if w.output == nil && w.fd >= 0 {
		w.output = e.l.read(w.fd, id, w.pid)
	}
}

// await waits until the first worker has loaded the app, and returns what it
// says of it. The end of ctx ends the workers.
func (e *early) await(ctx context.Context, app string, limit time.Duration) (python.Told, error) {
	e.mu.Lock()
	first := e.waiting[0]
	e.mu.Unlock()
	e.read(first, 1)
	stop := context.AfterFunc(ctx, func() { _ = proc.SignalGroup(first.pid, syscall.SIGKILL) }) // its end is what Ready waits for
	_, err := first.orders.Ready(limit)
	stop()
	if err == nil {
		return first.orders.Told(), nil
	}
	told := first.orders.Told()
	if ctx.Err() != nil {
		e.close()
		return told, context.Cause(ctx) // why the load was given up
	}
	var broken *python.AppError
	switch {
	case errors.As(err, &broken):
		err = templateError(err)
		if broken.Failed {
			err = errcode.With("GON012", &arbiter.BootError{Role: "worker", Tries: 1, Reason: broken.Error()})
		}
	case errors.Is(err, python.ErrTemplateSlow):
		_ = proc.Signal(first.pid, syscall.SIGABRT) // it shows its stacks
		_, _ = first.orders.Ready(stacksTime)
		err = errcode.With("GON012", &arbiter.BootError{Role: "worker", Tries: 1,
			Reason: fmt.Sprintf("importing %s took longer than %s (boot_timeout); its stack is in the log", app, limit)})
	case errors.Is(err, python.ErrTemplateGone):
		err = errcode.With("GON012", &arbiter.BootError{Role: "worker", Tries: 1, Reason: "importing " + app + " ended the process: " + e.end(first)})
	}
	e.close()
	return told, err
}

// end waits for the end of a worker and of its output.
func (e *early) end(w *earlyWorker) string {
	_ = proc.SignalGroup(w.pid, syscall.SIGTERM) // it has let go of its socket
	exit := w.wait()
	w.wait = nil
	return exit.String()
}

// take returns the worker that was started for this place, or one that was for
// another; nil if there is none.
func (e *early) take(id int) *earlyWorker {
	if e == nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.waiting) == 0 {
		return nil
	}
	w := e.waiting[0]
	e.waiting = e.waiting[1:]
	return w
}

// close ends the workers that have no place.
func (e *early) close() {
	if e == nil {
		return
	}
	e.mu.Lock()
	waiting := e.waiting
	e.waiting = nil
	e.mu.Unlock()
	for _, w := range waiting {
		if w.wait != nil {
			_ = proc.SignalGroup(w.pid, syscall.SIGKILL) // it may be gone already
			w.wait()
		}
		w.orders.Close()
		if w.output == nil {
			closeAll(w.fd)
			continue
		}
		late := time.NewTimer(lastOutput)
		select {
		case <-w.output.Done():
		case <-late.C: // something that the app has started holds it
		}
		late.Stop()
		_ = w.output.Close()
	}
}

// place gives an early worker its place, as launch gives it to a new process.
func (l *launcher) place(w *earlyWorker, p arbiter.Place) (arbiter.Process, error) {
	fail := func(err error) (arbiter.Process, error) {
		l.early.mu.Lock()
		l.early.waiting = append(l.early.waiting, w)
		l.early.mu.Unlock()
		return arbiter.Process{}, fmt.Errorf("start worker: %w", err)
	}
	ours, theirs, err := control.SocketPair()
	if err != nil {
		return fail(err)
	}
	defer unix.Close(theirs)
	page, err := l.s.board.Page(p.Slot)
	if err != nil {
		unix.Close(ours)
		return fail(err)
	}
	defer unix.Close(page)
	limits, kills, err := l.limits.Of(p)
	if err != nil {
		unix.Close(ours)
		return fail(err)
	}
	order := python.Fork{Age: p.Age, Page: page, Conn: theirs, Output: -1, Environ: map[string]string{
		wire.EnvWorkerID: strconv.Itoa(p.ID), wire.EnvGeneration: strconv.Itoa(p.Generation),
	}}
	if limits != nil {
		order.CPUs = limits.CPUs
	}
	_ = w.orders.Become(order) // one that has ended is the arbiter's to find out
	w.orders.Close()
	l.s.links.Own(p.Slot, ours)
	l.early.read(w, p.ID)
	l.s.helpers.Release(w.pid)
	process := arbiter.Process{PID: w.pid, OOMKills: kills, Forked: func() { l.confine(p, w.pid) }}
	if w.output != nil {
		process.Output = w.output
	}
	return process, nil
}

// confine moves a worker that was started before it had its place into its
// cgroup.
func (l *launcher) confine(p arbiter.Place, pid int) {
	if err := l.limits.Confine(p, pid); err != nil {
		l.s.log.Warn("worker is in no cgroup of its own", "pid", pid, "error", err)
	}
}

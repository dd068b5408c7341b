package template

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
	"github.com/gonicorn/gonicorn/internal/errcode"
	"github.com/gonicorn/gonicorn/internal/gatewaylink"
	"github.com/gonicorn/gonicorn/internal/launch"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/wire"
	"github.com/gonicorn/gonicorn/workers/python"
	"golang.org/x/sys/unix"
)

// stacksTime is how long a worker may take to write its stacks if its import took
// too long. Then it is killed.
const stacksTime = 2 * time.Second

// First holds the first workers of a generation of a Python app. They are started
// before it is known whether the app is WSGI or ASGI; the first of them reports
// that. They load the app and then wait until the arbiter gives them their places.
type First struct {
	l       *launch.Launcher
	limit   time.Duration      // for the app to be loaded
	own     func(slot, fd int) // takes the gateway's end of a worker's socket
	mu      sync.Mutex
	waiting []*firstWorker // workers without a place, in the order of their start
}

// firstWorker is one of the first workers.
type firstWorker struct {
	pid    int
	wait   func() proc.Exit // waits for its end, until the arbiter takes it over
	orders *python.Template // the socket over which it is told its place
	fd     int              // its output; -1 if that is not read
	output arbiter.Output   // nil until its output is read
}

// StartFirst starts this many workers. The first one must report what the app is.
func StartFirst(o Options, set python.Settings, many int) (*First, error) {
	e := &First{l: o.Launcher, own: o.Own, limit: o.Limit}
	for id := 1; id <= many; id++ {
		set.Early, set.Tell = true, id == 1
		w, err := e.start(set, o.Generation, id)
		if err != nil {
			e.Close()
			return nil, fmt.Errorf("start worker: %w", err)
		}
		e.waiting = append(e.waiting, w)
	}
	return e, nil
}

func (e *First) start(set python.Settings, generation, id int) (*firstWorker, error) {
	text, err := json.Marshal(set)
	if err != nil {
		return nil, fmt.Errorf("encode its settings: %w", err)
	}
	ours, theirs, err := gatewaylink.SocketPair()
	if err != nil {
		return nil, err
	}
	defer unix.Close(theirs)
	r, output := -1, -1
	if e.l.Capture {
		if r, output, err = proc.Pipe(); err != nil {
			unix.Close(ours)
			return nil, fmt.Errorf("read its output: %w", err)
		}
		defer unix.Close(output)
	}
	spec := e.l.Spec
	spec.Env = append(append([]string{}, spec.Env...), wire.EnvWorker+"="+string(text), wire.EnvWorkerID+"="+strconv.Itoa(id),
		wire.EnvGeneration+"="+strconv.Itoa(generation), wire.EnvAge+"="+strconv.Itoa(e.l.Host.Age()+id))
	spec.Files = e.l.Files(1, 2)
	if e.l.Capture {
		spec.Files = e.l.Files(output, output)
	}
	spec = e.l.Inherit(spec)
	spec = launch.With(spec, wire.EnvTemplate, theirs)
	spec = launch.With(spec, wire.EnvRunner, e.l.Host.Runner())
	spec.Limits = e.l.Limits.Base()
	spec, started := e.l.Host.Expect(spec)
	pid, wait, err := e.l.Host.Helpers.Start(spec)
	started(pid)
	if err != nil {
		proc.CloseAll(ours, r)
		return nil, err
	}
	return &firstWorker{pid: pid, wait: wait, orders: python.NewTemplate(ours), fd: r}, nil
}

// read begins to read a worker's output.
func (e *First) read(w *firstWorker, id int) {
	if w.output == nil && w.fd >= 0 {
		w.output = e.l.Read(w.fd, id, w.pid)
	}
}

// Await waits until the first worker has loaded the app, and returns its report.
// The end of ctx ends the workers.
func (e *First) Await(ctx context.Context, app string) (python.Told, error) {
	e.mu.Lock()
	first := e.waiting[0]
	e.mu.Unlock()
	e.read(first, 1)
	stop := context.AfterFunc(ctx, func() { _ = proc.SignalGroup(first.pid, syscall.SIGKILL) }) // Ready returns when the worker ends
	_, err := first.orders.Ready(e.limit)
	stop()
	if err == nil {
		return first.orders.Told(), nil
	}
	told := first.orders.Told()
	if ctx.Err() != nil {
		e.Close()
		return told, context.Cause(ctx) // why loading was given up
	}
	var broken *python.AppError
	switch {
	case errors.As(err, &broken):
		err = loadError(err)
		if broken.Failed {
			err = errcode.With("GON012", &arbiter.BootError{Role: "worker", Tries: 1, Reason: broken.Error()})
		}
	case errors.Is(err, python.ErrTemplateSlow):
		_ = proc.Signal(first.pid, syscall.SIGABRT) // makes it write its stacks
		_, _ = first.orders.Ready(stacksTime)
		err = errcode.With("GON012", &arbiter.BootError{Role: "worker", Tries: 1,
			Reason: fmt.Sprintf("importing %s took longer than %s (boot_timeout); its stack is in the log", app, e.limit)})
	case errors.Is(err, python.ErrTemplateGone):
		err = errcode.With("GON012", &arbiter.BootError{Role: "worker", Tries: 1, Reason: "importing " + app + " ended the process: " + e.end(first)})
	}
	e.Close()
	return told, err
}

// end terminates a worker, waits for its end and says how it ended.
func (e *First) end(w *firstWorker) string {
	_ = proc.SignalGroup(w.pid, syscall.SIGTERM) // it has closed its socket, so it is of no use
	exit := w.wait()
	w.wait = nil
	return exit.String()
}

// take returns a worker without a place; nil if there is none.
func (e *First) take() *firstWorker {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.waiting) == 0 {
		return nil
	}
	w := e.waiting[0]
	e.waiting = e.waiting[1:]
	return w
}

// Close ends the workers without a place.
func (e *First) Close() {
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
			proc.CloseAll(w.fd)
			continue
		}
		late := time.NewTimer(lastOutput)
		select {
		case <-w.output.Done():
		case <-late.C: // a process that the app has started keeps the pipe open
		}
		late.Stop()
		_ = w.output.Close()
	}
}

// Launch implements launch.Source: it gives a waiting worker its place.
func (e *First) Launch(p arbiter.Place) (process arbiter.Process, has bool, err error) {
	w := e.take()
	if w == nil {
		return process, false, nil
	}
	process, err = e.place(w, p)
	return process, true, err
}

func (e *First) place(w *firstWorker, p arbiter.Place) (arbiter.Process, error) {
	fail := func(err error) (arbiter.Process, error) {
		e.mu.Lock()
		e.waiting = append(e.waiting, w)
		e.mu.Unlock()
		return arbiter.Process{}, fmt.Errorf("start worker: %w", err)
	}
	ours, theirs, err := gatewaylink.SocketPair()
	if err != nil {
		return fail(err)
	}
	defer unix.Close(theirs)
	page, err := e.l.Host.Board.Page(p.Slot)
	if err != nil {
		unix.Close(ours)
		return fail(err)
	}
	defer unix.Close(page)
	limits, kills, err := e.l.Limits.Of(p.ID, p.Slot)
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
	_ = w.orders.Become(order) // if it has ended, the arbiter will find out
	w.orders.Close()
	e.own(p.Slot, ours)
	e.read(w, p.ID)
	e.l.Host.Helpers.Release(w.pid)
	process := arbiter.Process{PID: w.pid, OOMKills: kills, Forked: func() { e.l.Confine(p, w.pid) }}
	if w.output != nil {
		process.Output = w.output
	}
	return process, nil
}

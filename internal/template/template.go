// Package template manages the processes that load a Python app before there are
// workers: the template, from which workers are forked, and a generation's first
// workers, which report what the app is.
package template

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
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

const (
	forkTime      = time.Second            // for one fork, during which the arbiter's loop is blocked
	templateFirst = 500 * time.Millisecond // until a lost template is started again; doubles with each failure
	templateMost  = 30 * time.Second
	lastOutput    = 200 * time.Millisecond // for the last output of a process that has ended
)

// Template starts the workers of one generation by fork(2) from a process that has
// loaded the app.
type Template struct {
	Options
	environ map[string]string

	mu      sync.Mutex
	current *python.Template // nil while there is none
	pid     int
	ticks   uint64 // its start time
	closed  bool

	refork refork
}

// Options are the settings of one generation.
type Options struct {
	Launcher   *launch.Launcher
	Generation int
	Limit      time.Duration                 // for the app to be loaded
	Own        func(slot, fd int)            // takes the gateway's end of a worker's socket
	Refork     int                           // requests after which a worker becomes the template; 0 is never
	Renew      func(because arbiter.Renewal) // replaces all workers
}

// Start starts the process and waits until it has loaded the app.
func Start(ctx context.Context, o Options) (*Template, error) {
	t := &Template{Options: o, refork: newRefork(o.Refork), environ: map[string]string{wire.EnvGeneration: strconv.Itoa(o.Generation)}}
	if err := t.start(ctx); err != nil {
		return nil, err
	}
	return t, nil
}

// Told is the process's report about the app.
func (t *Template) Told() python.Told {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current == nil {
		return python.Told{}
	}
	return t.current.Told()
}

// start starts a process, and from then on another one whenever it is lost.
func (t *Template) start(ctx context.Context) error {
	ours, theirs, err := gatewaylink.SocketPair()
	if err != nil {
		return err
	}
	r, w, err := proc.Pipe()
	if err != nil {
		unix.Close(ours)
		unix.Close(theirs)
		return fmt.Errorf("read output of template: %w", err)
	}
	spec := t.spec(w, theirs)
	pid, wait, err := t.Launcher.Host.Helpers.Start(spec)
	unix.Close(theirs)
	unix.Close(w)
	if err != nil {
		unix.Close(ours)
		unix.Close(r)
		return fmt.Errorf("start template: %w", err)
	}
	output := t.Launcher.Host.Read("template", r, 0, pid)
	process := python.NewTemplate(ours)
	stop := context.AfterFunc(ctx, func() { _ = proc.SignalGroup(pid, syscall.SIGKILL) }) // Ready returns when the process ends
	_, err = process.Ready(t.Limit)
	stop()
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = proc.SignalGroup(pid, syscall.SIGKILL) // it may be gone already
	}
	gone := make(chan proc.Exit, 1)
	go func() {
		exit := wait()
		late := time.NewTimer(lastOutput)
		select {
		case <-output.Done():
		case <-late.C: // workers keep the pipe open, because one of them may become the template
		}
		late.Stop()
		gone <- exit
		<-output.Done()
		_ = output.Close() // all of it has been read
	}()
	if err != nil {
		<-gone
		process.Close()
		return loadError(err)
	}
	t.mu.Lock()
	t.become(process, pid)
	t.mu.Unlock()
	t.log().Info("template ready", "pid", pid, "generation", t.environ[wire.EnvGeneration])
	go t.watch(gone, pid)
	return nil
}

// loadError says why the app was not loaded. The exit code is the same as if a
// worker could not load the app.
func loadError(err error) error {
	var app *python.AppError
	if errors.As(err, &app) {
		if app.Failed {
			return errcode.With("GON012", &arbiter.BootError{Role: "template", Tries: 1, Reason: app.Error()})
		}
		return errcode.With("GON011", &errcode.AppError{Err: app})
	}
	return fmt.Errorf("start template: %w", err)
}

// spec is the spec of a worker without what each worker has for itself, plus the
// socket for orders.
func (t *Template) spec(output, orders int) proc.Spec {
	spec := t.Launcher.Spec
	spec.Files = t.Launcher.Files(output, output)
	if t.Launcher.Stdout {
		spec.Files = t.Launcher.Files(1, output)
	}
	spec = t.Launcher.Inherit(spec)
	spec = launch.With(spec, wire.EnvTemplate, orders)
	spec = launch.With(spec, wire.EnvRunner, t.Launcher.Host.Runner())
	spec.Limits = t.Launcher.Limits.Base()
	return spec
}

// watch waits for the end of the process, and then starts another one.
func (t *Template) watch(gone <-chan proc.Exit, pid int) {
	exit := <-gone
	t.mu.Lock()
	superseded := t.closed || t.pid != pid
	if !superseded && t.current != nil {
		t.current.Close()
		t.current = nil
	}
	t.mu.Unlock()
	if superseded {
		return
	}
	t.log().Error("the template process has ended: workers continue, and another is started", "pid", pid, "exit", exit.String())
	t.again()
}

// again tries to start a process in place of a lost one, until that succeeds.
func (t *Template) again() {
	log := t.log()
	for pause := templateFirst; ; pause = min(2*pause, templateMost) {
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-t.Launcher.Host.Stopped:
			timer.Stop()
			return
		}
		t.mu.Lock()
		closed := t.closed
		t.mu.Unlock()
		if closed {
			return
		}
		err := t.start(context.Background())
		if err == nil {
			return
		}
		log.Error("no template", "error", err, "again_in", min(2*pause, templateMost).String())
	}
}

// Close ends the template: its generation starts no more workers.
func (t *Template) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.refork.close()
	if t.current != nil {
		t.current.Close()
		t.current = nil
	}
}

// log is the arbiter's log.
func (t *Template) log() *slog.Logger { return t.Launcher.Host.Logs.Own }

// Launch implements launch.Source: it forks a worker.
func (t *Template) Launch(p arbiter.Place) (process arbiter.Process, has bool, err error) {
	process, err = t.launch(p)
	return process, true, err
}

func (t *Template) launch(p arbiter.Place) (arbiter.Process, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current == nil {
		return arbiter.Process{}, fmt.Errorf("fork worker: %w", arbiter.ErrLater)
	}
	ours, theirs, err := gatewaylink.SocketPair()
	if err != nil {
		return arbiter.Process{}, err
	}
	r, w := -1, -1
	if t.Launcher.Capture {
		if r, w, err = proc.Pipe(); err != nil {
			unix.Close(ours)
			unix.Close(theirs)
			return arbiter.Process{}, fmt.Errorf("read output of worker: %w", err)
		}
	}
	page, err := t.Launcher.Host.Board.Page(p.Slot)
	if err != nil {
		proc.CloseAll(ours, theirs, r, w)
		return arbiter.Process{}, fmt.Errorf("fork worker: %w", err)
	}
	defer unix.Close(page)
	promote := t.take(p.Slot)
	pid, kills, err := t.fork(p, page, theirs, w, promote)
	unix.Close(theirs)
	proc.CloseAll(w, promote)
	if err != nil {
		unix.Close(ours)
		proc.CloseAll(r)
		return arbiter.Process{}, err
	}
	t.Own(p.Slot, ours)
	process := arbiter.Process{PID: pid, Forked: func() { t.Launcher.Confine(p, pid) }, OOMKills: kills}
	if r >= 0 {
		process.Output = t.Launcher.Read(r, p.ID, pid)
	}
	return process, nil
}

func (t *Template) fork(p arbiter.Place, page, conn, output, promote int) (pid int, kills func() int, err error) {
	order := python.Fork{Age: p.Age, Page: page, Conn: conn, Output: output, Environ: maps.Clone(t.environ)}
	order.Environ[wire.EnvWorkerID] = strconv.Itoa(p.ID)
	if promote >= 0 {
		order.Promote, order.PromoteAfter = promote, t.refork.after
	}
	limits, kills, err := t.Launcher.Limits.Of(p.ID, p.Slot)
	if err != nil {
		return 0, nil, fmt.Errorf("fork worker: %w", err)
	}
	if limits != nil {
		order.CPUs = limits.CPUs
	}
	pid, err = t.current.Fork(order, forkTime)
	if errors.Is(err, python.ErrTemplateGone) || errors.Is(err, python.ErrTemplateSlow) {
		t.kill()                              // watch does the rest
		if t.refork.state == reforkPromoted { // nothing watches a promoted worker
			t.refork.state = reforkOff
			t.current.Close()
			t.current = nil
			go t.again()
		}
		return 0, nil, fmt.Errorf("%w: %w", err, arbiter.ErrLater)
	}
	if err != nil {
		return 0, nil, err
	}
	return pid, kills, nil
}

// become records the process from which workers are forked from now on.
func (t *Template) become(process *python.Template, pid int) {
	t.current, t.pid = process, pid
	t.ticks, _ = proc.StartTicks(pid) // 0 if the process is gone, which is then never signalled
}

// kill ends the process, unless its pid now belongs to another one.
func (t *Template) kill() {
	if ticks, err := proc.StartTicks(t.pid); err == nil && ticks == t.ticks {
		_ = proc.SignalGroup(t.pid, syscall.SIGKILL) // it may end at this moment
	}
}

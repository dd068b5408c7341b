package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
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

const (
	forkTime      = time.Second            // for one fork: the arbiter's loop waits meanwhile
	templateFirst = 500 * time.Millisecond // until a template that was lost is started again; it doubles
	templateMost  = 30 * time.Second
	lastOutput    = 200 * time.Millisecond // for what a template that has ended wrote last
)

// template starts the workers of one generation by fork(2), from a process that
// has loaded the app.
type template struct {
	l       *launcher
	environ map[string]string
	limit   time.Duration // for the app to be loaded

	mu      sync.Mutex
	current *python.Template // nil while there is none
	pid     int
	ticks   uint64 // its start
	closed  bool

	refork refork
}

// startTemplate starts the process and waits until it has loaded the app.
func startTemplate(ctx context.Context, l *launcher, generation, reforkAfter int, limit time.Duration) (*template, error) {
	t := &template{l: l, limit: limit, refork: newRefork(reforkAfter), environ: map[string]string{wire.EnvGeneration: strconv.Itoa(generation)}}
	if err := t.start(ctx); err != nil {
		return nil, err
	}
	return t, nil
}

// start starts a process, and another whenever that is lost.
func (t *template) start(ctx context.Context) error {
	s := t.l.s
	ours, theirs, err := control.SocketPair()
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
	pid, wait, err := s.helpers.Start(spec)
	unix.Close(theirs)
	unix.Close(w)
	if err != nil {
		unix.Close(ours)
		unix.Close(r)
		return fmt.Errorf("start template: %w", err)
	}
	output := t.l.readAs("template", r, 0, pid)
	process := python.NewTemplate(ours)
	stop := context.AfterFunc(ctx, func() { _ = proc.SignalGroup(pid, syscall.SIGKILL) }) // its end is what Ready waits for
	_, err = process.Ready(t.limit)
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
		case <-late.C: // workers hold it, for when one of them becomes the template
		}
		late.Stop()
		gone <- exit
		<-output.Done()
		_ = output.Close() // read to its end
	}()
	if err != nil {
		<-gone
		process.Close()
		return templateError(err)
	}
	t.mu.Lock()
	t.become(process, pid)
	t.mu.Unlock()
	s.log.Info("template ready", "pid", pid, "generation", t.environ[wire.EnvGeneration])
	go t.watch(gone, pid)
	return nil
}

// templateError says why there is no template, with the exit code that a worker
// that cannot load the app would have led to.
func templateError(err error) error {
	var app *python.AppError
	if errors.As(err, &app) {
		if app.Failed {
			return errcode.With("GON012", &arbiter.BootError{Role: "template", Tries: 1, Reason: app.Error()})
		}
		return errcode.With("GON011", &errcode.AppError{Err: app})
	}
	return fmt.Errorf("start template: %w", err)
}

// spec is a worker's, without what each has for itself, and with the socket
// where orders come.
func (t *template) spec(output, orders int) proc.Spec {
	spec := t.l.spec
	spec.Files = t.l.files(output, output)
	if t.l.stdout {
		spec.Files = t.l.files(1, output)
	}
	spec = t.l.inherit(spec)
	add := func(name string, fd int) {
		spec.Env = append(spec.Env, name+"="+strconv.Itoa(len(spec.Files)))
		spec.Files = append(spec.Files, fd)
	}
	add(wire.EnvTemplate, orders)
	add(wire.EnvRunner, t.l.s.runner)
	spec.Limits = t.l.limits.Base()
	return spec
}

// watch waits for the end of the process, and starts another one.
func (t *template) watch(gone <-chan proc.Exit, pid int) {
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
	t.l.s.log.Error("template lost: workers go on, and another one is started", "pid", pid, "exit", exit.String())
	t.again()
}

// again starts a process in place of one that was lost, until that succeeds.
func (t *template) again() {
	log := t.l.s.log
	for pause := templateFirst; ; pause = min(2*pause, templateMost) {
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-t.l.s.stopped:
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

// close ends the template: its generation starts no more workers.
func (t *template) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.refork.close()
	if t.current != nil {
		t.current.Close()
		t.current = nil
	}
}

// launch forks a worker.
func (t *template) launch(p arbiter.Place) (arbiter.Process, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current == nil {
		return arbiter.Process{}, fmt.Errorf("fork worker: %w", arbiter.ErrLater)
	}
	ours, theirs, err := control.SocketPair()
	if err != nil {
		return arbiter.Process{}, err
	}
	r, w := -1, -1
	if t.l.capture {
		if r, w, err = proc.Pipe(); err != nil {
			unix.Close(ours)
			unix.Close(theirs)
			return arbiter.Process{}, fmt.Errorf("read output of worker: %w", err)
		}
	}
	page, err := t.l.s.board.Page(p.Slot)
	if err != nil {
		closeAll(ours, theirs, r, w)
		return arbiter.Process{}, fmt.Errorf("fork worker: %w", err)
	}
	defer unix.Close(page)
	promote := t.take(p.Slot)
	pid, kills, err := t.fork(p, page, theirs, w, promote)
	unix.Close(theirs)
	closeAll(w, promote)
	if err != nil {
		unix.Close(ours)
		closeAll(r)
		return arbiter.Process{}, err
	}
	t.l.s.links.Own(p.Slot, ours)
	process := arbiter.Process{PID: pid, Forked: func() { t.l.confine(p, pid) }, OOMKills: kills}
	if r >= 0 {
		process.Output = t.l.read(r, p.ID, pid)
	}
	return process, nil
}

func (t *template) fork(p arbiter.Place, page, conn, output, promote int) (pid int, kills func() int, err error) {
	order := python.Fork{Age: p.Age, Page: page, Conn: conn, Output: output, Environ: maps.Clone(t.environ)}
	order.Environ[wire.EnvWorkerID] = strconv.Itoa(p.ID)
	if promote >= 0 {
		order.Promote, order.PromoteAfter = promote, t.refork.after
	}
	limits, kills, err := t.l.limits.Of(p)
	if err != nil {
		return 0, nil, fmt.Errorf("fork worker: %w", err)
	}
	if limits != nil {
		order.CPUs = limits.CPUs
	}
	pid, err = t.current.Fork(order, forkTime)
	if errors.Is(err, python.ErrTemplateGone) || errors.Is(err, python.ErrTemplateSlow) {
		t.kill()                              // watch does the rest
		if t.refork.state == reforkPromoted { // nobody watches that one
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

// become takes over a process that workers are forked from.
func (t *template) become(process *python.Template, pid int) {
	t.current, t.pid = process, pid
	t.ticks, _ = proc.StartTicks(pid) // 0 for one that is gone, which is never signalled
}

// kill ends the process, unless its pid is another's by now.
func (t *template) kill() {
	if ticks, err := proc.StartTicks(t.pid); err == nil && ticks == t.ticks {
		_ = proc.SignalGroup(t.pid, syscall.SIGKILL) // it may go this moment
	}
}

// closeAll closes descriptors; -1 is none.
func closeAll(fds ...int) {
	for _, fd := range fds {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

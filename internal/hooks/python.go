package hooks

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/wire"
	"github.com/gonicorn/gonicorn/workers/python"
	"golang.org/x/sys/unix"
)

// pythonHooks runs the master's hooks of a gunicorn.conf.py in a Python process
// beside the arbiter (runner/master.py). It implements runner.
type pythonHooks struct {
	host    Host
	src     Source
	names   []string
	running *process  // nil while there is none
	failed  time.Time // when the process was last lost
}

// process is the Python process.
type process struct {
	pid     int
	events  *os.File
	answers chan string // closed when it has ended
	output  Output
	done    chan struct{} // closed when it is reaped

	unwanted atomic.Bool // its end is expected and not logged
}

// pause is how long a lost process is not started again.
const pause = time.Second

var errLost = errors.New("the process of the hooks has ended")

// newPythonHooks returns nil if the config has no such hooks.
//
//config:commit
func newPythonHooks(host Host, src Source) runner {
	names := masterHooks(src.Config.Conf.Hooks)
	if len(names) == 0 {
		return nil
	}
	h := &pythonHooks{host: host, src: src, names: names}
	h.src.Settings.Master, h.src.Settings.Hooks = true, names
	return h
}

// wants is also true for pre_fork if there is a child_exit hook: the process must
// know the workers.
func (h *pythonHooks) wants(event string) bool {
	return slices.Contains(h.names, event) || event == "pre_fork" && slices.Contains(h.names, "child_exit")
}

// run makes the process run a hook. It starts the process if there is none.
func (h *pythonHooks) run(ctx context.Context, e Event) error {
	if h.running != nil && h.running.gone() {
		_ = h.processGone() // it has been logged
	}
	if h.running == nil {
		if err := h.rest(ctx); err != nil {
			return err
		}
		if err := h.start(); err != nil {
			h.failed = time.Now()
			return err
		}
	}
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode event: %w", err)
	}
	if _, err := h.running.events.Write(append(text, '\n')); err != nil {
		return h.processGone()
	}
	return h.await(ctx, e)
}

// rest waits until the process may be started again after it was lost.
func (h *pythonHooks) rest(ctx context.Context) error {
	timer := time.NewTimer(time.Until(h.failed.Add(pause)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return errLost
	}
}

// await waits until a hook has ended. A slow hook is logged; the next one waits.
func (h *pythonHooks) await(ctx context.Context, e Event) error {
	slow := time.NewTimer(max(h.src.Config.HookTimeout, time.Second))
	defer slow.Stop()
	for {
		select {
		case line, more := <-h.running.answers:
			if !more {
				return h.processGone()
			}
			var answer struct{ Error string }
			if err := json.Unmarshal([]byte(line), &answer); err != nil {
				return fmt.Errorf("read what the hook says: %w", err)
			}
			if answer.Error != "" {
				return errors.New(answer.Error)
			}
			return nil
		case <-slow.C:
			h.host.Log.Warn("a hook is slow, and the hooks after it wait", "hook", e.Event, "pid", h.running.pid)
		case <-ctx.Done():
			_ = h.processGone()
			return fmt.Errorf("it was given up after %s (hook_timeout)", h.src.Config.HookTimeout)
		}
	}
}

// start starts the process.
func (h *pythonHooks) start() error {
	host, c := h.host, h.src.Config
	text, err := json.Marshal(h.src.Settings)
	if err != nil {
		return fmt.Errorf("encode settings of hooks: %w", err)
	}
	var fds [6]int
	for i := 0; i < len(fds); i += 2 {
		if fds[i], fds[i+1], err = proc.Pipe(); err != nil {
			closeAll(fds[:i]...)
			return fmt.Errorf("start hooks: %w", err)
		}
	}
	events, answers, output := fds[0:2], fds[2:4], fds[4:6]
	env := append(slices.Clone(h.src.Environ), wire.EnvWorker+"="+string(text), wire.EnvRunner+"="+strconv.Itoa(3))
	pid, wait, err := host.Helpers.Start(proc.Spec{
		Path: h.src.Interpreter.Path, Args: python.Args(h.src.Interpreter), Env: env, Dir: c.Chdir, Umask: -1,
		Files: []int{events[0], answers[1], output[1], host.Runner()},
	})
	closeAll(events[0], answers[1], output[1])
	if err != nil {
		closeAll(events[1], answers[0], output[0])
		return fmt.Errorf("start hooks: %w", err)
	}
	p := &process{pid: pid, events: os.NewFile(uintptr(events[1]), "events"), answers: make(chan string, 1), done: make(chan struct{})}
	p.output = host.Read(output[0], pid)
	go p.read(os.NewFile(uintptr(answers[0]), "answers"))
	go func() {
		exit := wait()
		if !p.unwanted.Load() {
			host.Log.Error("the hooks process has ended: another is started for the next hook", "pid", pid, "exit", exit.String(),
				"code", "GON041")
		}
		<-p.output.Done()
		_ = p.output.Close() // all of it has been read
		close(p.done)
	}()
	host.Log.Debug("process for hooks started", "pid", pid, "hooks", h.names)
	h.running = p
	return nil
}

// gone reports whether the process has ended.
func (p *process) gone() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *process) read(answers *os.File) {
	defer answers.Close()
	defer close(p.answers)
	for lines := bufio.NewScanner(answers); lines.Scan(); {
		p.answers <- lines.Text()
	}
}

// processGone ends the process, and records that there is none.
func (h *pythonHooks) processGone() error {
	h.kill()
	h.running.events.Close()
	h.running, h.failed = nil, time.Now()
	return errLost
}

func (h *pythonHooks) kill() {
	h.running.unwanted.Store(true)
	_ = proc.SignalGroup(h.running.pid, syscall.SIGKILL) // it may be gone already
}

// close lets the process run the events that it has, and end.
func (h *pythonHooks) close() {
	if h.running == nil {
		return
	}
	h.running.unwanted.Store(true)
	h.running.events.Close()
	late := time.NewTimer(max(h.src.Config.HookTimeout, time.Second))
	defer late.Stop()
	select {
	case <-h.running.done:
	case <-late.C:
		h.kill()
		<-h.running.done
	}
}

// closeAll closes descriptors.
func closeAll(fds ...int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

package launch

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gonicorn/gonicorn/internal/errorlog"
	"github.com/gonicorn/gonicorn/internal/gatewaylink"
	"github.com/gonicorn/gonicorn/internal/notify"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
	"github.com/gonicorn/gonicorn/internal/wire"
	"github.com/gonicorn/gonicorn/workers/python"
	"golang.org/x/sys/unix"
)

// Host is what this process shares with the processes that it starts. It outlives
// reloads.
type Host struct {
	Logs     *errorlog.Log
	Helpers  *proc.Helpers // children that the arbiter's reaper leaves alone
	Board    *scoreboard.Board
	Children *scoreboard.Register // the arbiter's children, which the guard may signal
	Notify   *notify.Server
	Stopped  chan struct{} // closed when the arbiter has ended
	Lifeline int           // read end of a pipe to which nobody writes: EOF means that the arbiter is gone
	Alive    int           // its write end, which only this process has

	null   int          // /dev/null
	runner int          // file of the Python runner; -1 until it is needed
	age    atomic.Int64 // of the last worker that was started: see arbiter.Place

	pipesMu sync.Mutex
	pipes   map[int]Pipe // by descriptor
}

// NewHost makes a Host. The caller must close it, even after an error.
func NewHost(logs *errorlog.Log, helpers *proc.Helpers) (*Host, error) {
	h := &Host{
		Logs: logs, Helpers: helpers, Stopped: make(chan struct{}), pipes: map[int]Pipe{},
		Lifeline: -1, Alive: -1, null: -1, runner: -1,
	}
	var err error
	if h.Board, err = scoreboard.Create(); err != nil {
		return h, fmt.Errorf("start: %w", err)
	}
	if h.Children, err = scoreboard.CreateRegister(); err != nil {
		return h, fmt.Errorf("start: %w", err)
	}
	if h.Notify, err = notify.Listen(); err != nil {
		return h, fmt.Errorf("start: %w", err)
	}
	if h.null, err = unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
		return h, fmt.Errorf("open %s: %w", os.DevNull, err)
	}
	if h.Lifeline, h.Alive, err = proc.Pipe(); err != nil {
		return h, fmt.Errorf("start: %w", err)
	}
	return h, nil
}

// Close frees everything. The processes that were started see the end of the lifeline.
func (h *Host) Close() {
	if h == nil {
		return
	}
	if h.Notify != nil {
		h.Notify.Close()
	}
	if h.Board != nil {
		h.Board.Close()
	}
	if h.Children != nil {
		h.Children.Close()
	}
	proc.CloseAll(h.null, h.Lifeline, h.Alive, h.runner)
}

// OpenRunner makes the file of the Python runner, unless that exists already.
func (h *Host) OpenRunner() error {
	if h.runner >= 0 {
		return nil
	}
	text, err := python.Runner()
	if err != nil {
		return err
	}
	h.runner, err = gatewaylink.File(text)
	return err
}

// Expect gives a process that is about to start a notify socket of its own, if the
// system does not tell the sender of a message. The caller passes the pid to
// started, or 0 if the process was not started.
func (h *Host) Expect(spec proc.Spec) (_ proc.Spec, started func(pid int)) {
	speaks := func(kv string) bool { return strings.HasPrefix(kv, wire.EnvNotifySocket+"=") }
	if !slices.ContainsFunc(spec.Env, speaks) {
		return spec, func(int) {}
	}
	addr, started := h.Notify.Expect()
	if addr != "" {
		spec.Env = append(append([]string{}, spec.Env...), wire.EnvNotifySocket+"="+addr)
	}
	return spec, started
}

// Runner is the descriptor of the runner's file; -1 until it is open.
func (h *Host) Runner() int { return h.runner }

// Age is how many workers have been started so far.
func (h *Host) Age() int { return int(h.age.Load()) }

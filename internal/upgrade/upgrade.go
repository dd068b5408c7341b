package upgrade

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/gonicorn/gonicorn/internal/launch"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/sockets"
	"github.com/gonicorn/gonicorn/signals"
)

// Process is this gonicorn, as an upgrade sees it.
type Process struct {
	Args        []string // that it was started with
	Host        *launch.Host
	Log         *slog.Logger
	BootTimeout time.Duration       // of its first config
	Grace       time.Duration       // for the gateways of the binary before to finish
	Actions     chan signals.Action // that the arbiter takes
	HandDown    func() []sockets.Handed
	Own         func(own bool)                       // says whether this process removes the files of its unix sockets
	Gateways    func(context.Context) ([]int, error) // pids
	Begin       func()                               // is called before another binary is started
	TakeOver    func()                               // the pidfile and the control socket, once the gonicorn before is gone
}

// Upgrader replaces this gonicorn, or has replaced another. All methods may be
// called from any goroutine.
type Upgrader struct {
	Process
	kept *execHandover // nil where this process was no other binary before

	mu       sync.Mutex
	replaces int        // the gonicorn that is to be replaced; 0 once it is gone
	next     *successor // that is to replace this one; nil without
	wg       sync.WaitGroup
}

// New makes an upgrader of what this process was handed.
func New(handed Handover, p Process) *Upgrader {
	u := &Upgrader{Process: p, replaces: handed.PID}
	if handed.Exec != nil {
		u.succeed(handed.Exec, handed.Sockets)
	}
	return u
}

// Wait waits until nothing of it is under way. The arbiter has ended.
func (u *Upgrader) Wait() { u.wg.Wait() }

// Replaces reports whether the gonicorn before still runs, beside this one.
func (u *Upgrader) Replaces() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.replaces != 0
}

// Kept reports whether this process was another binary before, whose children it
// has.
func (u *Upgrader) Kept() bool { return u.kept != nil }

// WentBack reports whether this is the binary before again, since the new one did
// not serve.
func (u *Upgrader) WentBack() bool { return u.kept != nil && u.kept.Back }

// AwaitPredecessor waits until the gonicorn that this one replaces is gone, and
// takes its place then. It does not block.
func (u *Upgrader) AwaitPredecessor(h Handover) {
	old := proc.Lifeline(h.Lifeline)
	u.wg.Go(func() {
		select {
		case <-old:
		case <-u.Host.Stopped:
			return
		}
		u.mu.Lock()
		defer u.mu.Unlock()
		u.replaces = 0
		u.Own(true)
		u.TakeOver()
		u.Log.Info("took over", "from", h.PID)
	})
}

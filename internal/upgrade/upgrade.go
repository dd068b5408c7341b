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

// Process is what an upgrade needs to know of this gonicorn.
type Process struct {
	Args        []string // its command line
	Host        *launch.Host
	Log         *slog.Logger
	BootTimeout time.Duration       // of its first config
	Grace       time.Duration       // how long the previous binary's gateways may take to finish
	Actions     chan signals.Action // the arbiter's
	HandDown    func() []sockets.Handed
	Own         func(own bool)                       // says whether this process removes the files of its unix sockets
	Gateways    func(context.Context) ([]int, error) // pids
	Begin       func()                               // called before another binary is started
	TakeOver    func()                               // takes the pidfile and the control socket, once the predecessor is gone
}

// Upgrader lets this gonicorn replace another one, and be replaced. All methods
// may be called from any goroutine.
type Upgrader struct {
	Process
	kept *execHandover // nil if this process was not another binary before

	mu       sync.Mutex
	replaces int        // pid of the gonicorn to replace; 0 once it is gone
	next     *successor // that shall replace this one; may be nil
	wg       sync.WaitGroup
}

// New makes an upgrader from what this process was handed.
func New(handed Handover, p Process) *Upgrader {
	u := &Upgrader{Process: p, replaces: handed.PID}
	if handed.Exec != nil {
		u.succeed(handed.Exec, handed.Sockets)
	}
	return u
}

// Wait waits for the upgrader's goroutines. The arbiter must have ended.
func (u *Upgrader) Wait() { u.wg.Wait() }

// Replaces reports whether the predecessor still runs beside this gonicorn.
func (u *Upgrader) Replaces() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.replaces != 0
}

// Kept reports whether this process was another binary before and has kept its
// children.
func (u *Upgrader) Kept() bool { return u.kept != nil }

// WentBack reports whether this is the previous binary again, because the new one
// did not serve.
func (u *Upgrader) WentBack() bool { return u.kept != nil && u.kept.Back }

// AwaitPredecessor starts a goroutine that waits until the predecessor is gone and
// then takes its place.
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

//go:build !linux

package proc

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/gonicorn/gonicorn/internal/scoreboard"
)

var self, _ = os.Executable()

func unsupported(what string) error {
	return fmt.Errorf("%s needs Linux: %w", what, errors.ErrUnsupported)
}

// Reaper needs Linux.
type Reaper struct{}

// NewReaper returns a reaper that finds nothing.
func NewReaper(bool, *Helpers) *Reaper { return &Reaper{} }

// Own does nothing.
func (r *Reaper) Own(int) {}

// Adopt fails outside Linux.
func (r *Reaper) Adopt(int) error { return unsupported("adopting a process") }

// Disown does nothing.
func (r *Reaper) Disown(int) {}

// Reap finds nothing.
func (r *Reaper) Reap(func(pid int)) []Exit { return nil }

// BecomeSubreaper fails outside Linux.
func BecomeSubreaper() error { return unsupported("adopting orphans") }

// StartTicks fails outside Linux.
func StartTicks(int) (uint64, error) { return 0, unsupported("the start of a process") }

// Ended is not known outside Linux.
func Ended(int) bool { return false }

// Use is what a process group uses.
type Use struct {
	RSS int64
	CPU time.Duration
}

// GroupUse fails outside Linux.
func GroupUse([]int) (map[int]Use, error) { return nil, unsupported("measuring processes") }

// OOM needs Linux.
type OOM struct{}

// NewOOM returns one that knows nothing.
func NewOOM() *OOM { return &OOM{} }

// Killed never is.
func (o *OOM) Killed() bool { return false }

// Lifeline never ends outside Linux.
func Lifeline(int) <-chan struct{} { return nil }

// RunGuard does nothing outside Linux.
func RunGuard(*scoreboard.Register, *scoreboard.Board, int, time.Duration, func(int)) int { return 1 }

// Deputize does nothing outside Linux.
func Deputize(*scoreboard.Register, *scoreboard.Board, time.Duration, func()) {}

// SetTitle does nothing outside Linux.
func SetTitle(string) {}

func waitBlocking(pid int) Exit { return Exit{PID: pid, Lost: true} }

// Halted finds nothing outside Linux.
func Halted(int) string { return "" }

// Runnable is known on Linux only.
func Runnable(int, int) bool { return false }

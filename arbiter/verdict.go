package arbiter

import (
	"slices"
	"syscall"

	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// crash says how a worker ended if its requests may be the cause: they could
// end another worker the same way. It is empty if somebody else ended it.
func crash(w *worker, exit proc.Exit) wire.Ended {
	e := wire.Ended{PID: w.pid}
	byItself := []syscall.Signal{syscall.SIGSEGV, syscall.SIGABRT, syscall.SIGBUS, syscall.SIGILL, syscall.SIGFPE, syscall.SIGSYS, syscall.SIGTRAP}
	switch code := exit.Code(); {
	case exit.Lost:
	case w.leaving.hung:
		e.Crash, e.Hung = "it hung", true
	case slices.Contains(byItself, exit.Signal()):
		e.Crash = exit.String()
	case code >= 0 && code != 128+int(syscall.SIGKILL) && code != 128+int(syscall.SIGTERM) && w.stage.wanted():
		e.Crash = exit.String()
	}
	return e
}

package arbiter

import (
	"errors"
	"fmt"
	"strings"
)

// errBusy says that enough was started in this pass of the loop.
var errBusy = errors.New("enough started in this pass")

// appMissingPrefix marks a worker's fault that no retry can mend: the app
// cannot be found or loaded.
const appMissingPrefix = "app: "

// BootError says that the first workers never became ready.
type BootError struct {
	Role  string
	Tries int
	// AppMissing tells an app that cannot be found or loaded from one that
	// fails in another way.
	AppMissing bool
	Reason     string   // what the worker said, or how it ended
	Output     []string // the last lines it wrote
}

// Error says what was tried, how it ended and the last that the app wrote.
func (e *BootError) Error() string {
	var b strings.Builder
	if e.AppMissing {
		fmt.Fprintf(&b, "the app cannot be loaded: %s", e.Reason)
	} else {
		tries := "tries"
		if e.Tries == 1 {
			tries = "try"
		}
		fmt.Fprintf(&b, "no %s became ready in %d %s: %s", e.Role, e.Tries, tries, e.Reason)
	}
	if len(e.Output) > 0 {
		fmt.Fprintf(&b, "; the last it wrote:\n  %s", strings.Join(e.Output, "\n  "))
	}
	return b.String()
}

// Code is its code in docs/errors.md.
func (e *BootError) Code() string {
	if e.AppMissing {
		return "GON011"
	}
	return "GON015"
}

// ExitCode is how it ends gonicorn: 4 for an app that is not there.
func (e *BootError) ExitCode() int {
	if e.AppMissing {
		return 4
	}
	return 3
}

func (w *worker) appMissing() bool { return strings.HasPrefix(w.said.fault, appMissingPrefix) }

func newBootError(role string, tries int, w *worker) *BootError {
	e := &BootError{Role: role, Tries: tries, AppMissing: w.appMissing(), Reason: w.leaving.because.String()}
	if w.said.fault != "" {
		e.Reason = strings.TrimPrefix(w.said.fault, appMissingPrefix)
	} else if w.output != nil {
		e.Output = w.output.Tail()
	}
	return e
}

// ErrLater says of a Launcher that it cannot start a process now, and will soon
// be able to: that is no failure of the worker.
var ErrLater = errors.New("not now")

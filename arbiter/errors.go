package arbiter

import (
	"errors"
	"fmt"
	"strings"
)

// errBusy says that this pass of the loop has started enough processes.
var errBusy = errors.New("enough started in this pass")

// appMissingPrefix marks a fault that no retry can fix: the worker cannot find
// or load the app.
const appMissingPrefix = "app: "

// BootError says that the first workers never became ready.
type BootError struct {
	Role  string
	Tries int
	// AppMissing says that the app cannot be found or loaded. It is false if
	// the app fails in another way.
	AppMissing bool
	Reason     string   // what the worker said, or how it ended
	Output     []string // the last lines it wrote
}

// Error says what was tried, how it ended, and the app's last output.
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

// Code is the code of this error in docs/errors.md.
func (e *BootError) Code() string {
	if e.AppMissing {
		return "GON011"
	}
	return "GON015"
}

// ExitCode is gonicorn's exit code: 4 if the app cannot be found or loaded.
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

// ErrLater is returned by a Launcher that cannot start a process now but soon
// can. It does not count as a failure of the worker.
var ErrLater = errors.New("not now")

package cli

import (
	"errors"

	"github.com/gonicorn/gonicorn/arbiter"
)

// The exit codes of gonicorn.
const (
	exitOK         = 0 // stopped as asked
	exitConfig     = 1 // a mistake in the config, or an address in use
	exitUsage      = 2 // a flag that there is not
	exitBoot       = 3 // the workers failed to boot
	exitAppMissing = 4 // the app cannot be found or loaded
)

// appError says that there is no such app. It ends gonicorn with exitAppMissing.
type appError struct{ err error }

func (e *appError) Error() string { return e.err.Error() }
func (e *appError) Unwrap() error { return e.err }

// exitCode is the process's exit code for what Run returned.
func exitCode(err error) int {
	var boot *arbiter.BootError
	var app *appError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &boot) && boot.AppMissing, errors.As(err, &app):
		return exitAppMissing
	case errors.As(err, &boot):
		return exitBoot
	}
	return exitConfig
}

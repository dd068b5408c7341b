package errcode

import "errors"

// The exit codes of gonicorn.
const (
	ExitOK         = 0 // stopped as asked
	ExitConfig     = 1 // a mistake in the config, or an address in use
	ExitUsage      = 2 // an invalid flag
	ExitBoot       = 3 // the workers failed to boot
	ExitAppMissing = 4 // the app cannot be found or loaded
)

// AppError says that the app cannot be found or loaded. Its exit code is ExitAppMissing.
type AppError struct{ Err error }

func (e *AppError) Error() string { return e.Err.Error() }
func (e *AppError) Unwrap() error { return e.Err }

// ExitCode is the exit code of gonicorn.
func (e *AppError) ExitCode() int { return ExitAppMissing }

// Exit is the exit code of a process that ends with err.
func Exit(err error) int {
	if err == nil {
		return ExitOK
	}
	var known interface {
		error
		ExitCode() int
	}
	if errors.As(err, &known) {
		return known.ExitCode()
	}
	return ExitConfig
}

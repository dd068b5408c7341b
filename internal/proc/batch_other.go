//go:build !linux || portable

package proc

import "errors"

// Schedules reports whether ScheduleBatch may be used: there is nothing like it here.
func Schedules() bool { return false }

// ScheduleBatch cannot be used here.
func ScheduleBatch(bool) error { return errors.ErrUnsupported }

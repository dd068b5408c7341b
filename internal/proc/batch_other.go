//go:build !linux || portable

package proc

import "errors"

// MayScheduleBatch reports whether processes that are started from here may use
// ScheduleBatch.
func MayScheduleBatch() bool { return true }

// TryBatch is the role of a child that tries.
func TryBatch() int { return 1 }

// Schedules reports whether ScheduleBatch may be used: there is nothing like it here.
func Schedules() bool { return false }

// ScheduleBatch cannot be used here.
func ScheduleBatch(bool) error { return errors.ErrUnsupported }

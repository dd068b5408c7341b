//go:build !linux || portable

package proc

import "errors"

// MayScheduleBatch reports whether processes that are started from here may use
// ScheduleBatch.
func MayScheduleBatch() bool { return true }

// TryBatch has nothing to try here.
func TryBatch() int { return 0 }

// ScheduledNormally reports whether ScheduleBatch may be used. There is nothing like it
// here.
func ScheduledNormally() bool { return false }

// ScheduleBatch cannot be used here.
func ScheduleBatch(bool) error { return errors.ErrUnsupported }

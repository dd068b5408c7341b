//go:build !portable

package proc

import (
	"math"

	"golang.org/x/sys/unix"
)

// CloseInherited keeps descriptors that somebody left open in this process from
// the workers: they get what is handed to them, and nothing else.
func CloseInherited() {
	// A kernel before 5.11 does not know it, and nothing depends on it.
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
}

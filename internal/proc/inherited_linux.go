//go:build !portable

package proc

import (
	"math"

	"golang.org/x/sys/unix"
)

// CloseInherited marks all inherited descriptors close-on-exec, so that workers get
// only what is passed to them.
func CloseInherited() {
	// Kernels before 5.11 do not support this, and nothing depends on it.
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
}

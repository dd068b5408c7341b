//go:build !linux || portable

package proc

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// CloseInherited marks all inherited descriptors close-on-exec, so that workers get
// only what is passed to them.
func CloseInherited() {
	open, err := os.ReadDir("/dev/fd")
	if err != nil {
		return // nothing depends on it
	}
	for _, e := range open {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
}

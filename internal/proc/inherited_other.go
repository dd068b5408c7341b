//go:build !linux || portable

package proc

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// CloseInherited keeps descriptors that somebody left open in this process from
// the workers: they get what is handed to them, and nothing else.
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

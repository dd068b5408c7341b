package proc

import "golang.org/x/sys/unix"

// CloseAll closes descriptors; -1 is none.
func CloseAll(fds ...int) {
	for _, fd := range fds {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

package proc

import "golang.org/x/sys/unix"

// CloseAll closes descriptors and ignores negative ones.
func CloseAll(fds ...int) {
	for _, fd := range fds {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

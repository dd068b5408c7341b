//go:build !linux || portable

package loop

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// Read reads from a descriptor that does not block.
func Read(fd int, p []byte) (int, syscall.Errno) {
	n, err := unix.Read(fd, p)
	return n, Number(err)
}

// Write writes to a socket that does not block. It need not say that it wants no
// SIGPIPE: Go takes none for descriptors from 3 up.
func Write(fd int, p []byte) (int, syscall.Errno) {
	n, err := unix.Write(fd, p)
	return n, Number(err)
}

// Number is an error as its number.
func Number(err error) syscall.Errno {
	var errno syscall.Errno
	if err != nil && !errors.As(err, &errno) {
		return syscall.EINVAL
	}
	return errno
}

//go:build !portable

package loop

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Calls that cannot block are made without telling the scheduler.

// Read reads from a descriptor that does not block.
func Read(fd int, p []byte) (int, syscall.Errno) {
	n, _, err := syscall.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	return int(n), err
}

// Write writes to a socket that does not block: send(2), without SIGPIPE.
func Write(fd int, p []byte) (int, syscall.Errno) {
	n, _, err := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), unix.MSG_NOSIGNAL, 0, 0)
	return int(n), err
}

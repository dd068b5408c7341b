//go:build !portable

package proc

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// scopeSignal is LANDLOCK_SCOPE_SIGNAL of linux/landlock.h: no signal leaves the
// domain. It came with Linux 6.12.
const scopeSignal = 1 << 1

// isolate puts this thread into a new landlock(7) domain. Its children inherit the
// domain and cannot leave it. A process in the domain cannot signal a process
// outside of it, even one of the same user, nor read its memory, environment or
// descriptors (ptrace(2)). Access to files and sockets does not change.
//
// It does nothing if the kernel does not support that, or if this process lacks
// permission: it needs CAP_SYS_ADMIN, or the worker would have to give up
// set-user-ID programs.
func isolate() error {
	rules := struct{ fs, net, scoped uint64 }{scoped: scopeSignal}
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&rules)), unsafe.Sizeof(rules), 0)
	if errno != 0 {
		return nil // an older kernel, or one without landlock
	}
	defer unix.Close(int(fd))
	if _, _, errno = unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0); errno != 0 && !errors.Is(errno, unix.EPERM) {
		return fmt.Errorf("isolate the worker: %w", errno)
	}
	return nil
}

// Conceal keeps other processes of this user from reading this process's memory,
// environment and descriptors, and prevents core dumps (prctl(2), PR_SET_DUMPABLE).
// It also gives up the privileges that set-user-ID programs would give. A process
// must call it before it gets secrets.
func Conceal() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("conceal this process: %w", err)
	}
	_, _, errno := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0)
	if errors.Is(errno, unix.ENOTSUP) { // with cgo, as under the race detector
		_, _, errno = unix.Syscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0)
	}
	if errno != 0 {
		return fmt.Errorf("give up privileges: %w", errno)
	}
	return nil
}

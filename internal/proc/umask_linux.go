package proc

import (
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// apart calls start in a thread of its own, which ends afterwards, so that what
// start changes of it reaches nobody but the child; its umask is mask, unless
// that is -1. A thread has a umask of its own once it no longer shares it
// (unshare(2), CLONE_FS).
func apart(mask int, start func() (int, error)) (pid int, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if mask >= 0 {
			if err = unix.Unshare(unix.CLONE_FS); err != nil {
				return
			}
			syscall.Umask(mask)
		}
		pid, err = start()
	}()
	<-done
	return pid, err
}

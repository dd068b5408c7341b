package proc

import (
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// withUmask runs start under another umask than the rest of the process, whose
// log and pidfile keep theirs. The umask belongs to what clone(2) calls
// CLONE_FS; a thread can have its own, and a child that it starts inherits that.
func withUmask(mask int, start func() (int, error)) (pid int, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err = unix.Unshare(unix.CLONE_FS); err != nil {
			return
		}
		syscall.Umask(mask)
		pid, err = start()
	}()
	<-done
	return pid, err
}

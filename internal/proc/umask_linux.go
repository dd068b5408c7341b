//go:build !portable

package proc

import (
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// aside is the thread in which processes with their own umask are started. It is
// kept, because at the system's limit of threads there may not be another one.
var aside = sync.OnceValue(newSideThread)

// sideThread is a thread that shares neither umask nor working folder with the
// others (unshare(2), CLONE_FS).
type sideThread struct {
	calls chan func()
	err   error // why there is none
}

func newSideThread() *sideThread {
	t := &sideThread{calls: make(chan func())}
	began := make(chan struct{})
	go func() {
		runtime.LockOSThread() // never unlocked
		t.err = unix.Unshare(unix.CLONE_FS)
		close(began)
		if t.err != nil {
			return
		}
		for call := range t.calls {
			call()
		}
	}()
	<-began
	return t
}

// masked calls start with a umask that affects only the child.
func masked(mask int, start func() (int, error)) (pid int, err error) {
	t := aside()
	if t.err != nil {
		return 0, t.err
	}
	done := make(chan struct{})
	t.calls <- func() {
		defer close(done)
		syscall.Umask(mask)
		pid, err = start()
	}
	<-done
	return pid, err
}

// apart calls start in a thread of its own, which ends afterwards, so that changes to
// the thread affect only the child. The umask is mask, unless that is -1. The child
// is isolated if alone is set.
func apart(mask int, alone bool, start func() (int, error)) (pid int, err error) {
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
		if alone {
			if err = isolate(); err != nil {
				return
			}
		}
		pid, err = start()
	}()
	<-done
	return pid, err
}

package proc

import (
	"runtime"
	"sync"
)

// ReserveThreads makes Go's runtime create n threads now, which it keeps. If the
// runtime later needs a thread and the system refuses it (pids.max, RLIMIT_NPROC),
// it crashes the process. So a process that must survive that creates all its
// threads before it serves.
func ReserveThreads(n int) {
	var held, done sync.WaitGroup
	release := make(chan struct{})
	for range n {
		held.Add(1)
		done.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread() // the runtime keeps the thread
			held.Done()
			<-release
		})
	}
	held.Wait()
	close(release)
	done.Wait()
}

package proc

import (
	"runtime"
	"sync"
)

// ReserveThreads has Go's run time make n threads now, which it keeps. It ends
// the process when it needs a thread later that the system does not give it
// (pids.max, RLIMIT_NPROC): who must live then has all of them before it serves.
func ReserveThreads(n int) {
	var held, done sync.WaitGroup
	release := make(chan struct{})
	for range n {
		held.Add(1)
		done.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread() // the thread goes back to the run time
			held.Done()
			<-release
		})
	}
	held.Wait()
	close(release)
	done.Wait()
}

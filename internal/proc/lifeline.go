package proc

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Lifeline returns a channel that is closed when the process at the other end
// of the pipe, the arbiter, is gone. It takes fd over.
//
// It waits in poll(2), a thread of its own, and leaves the descriptor's flags
// alone: every worker shares the open file description, and one of another
// language may read it with a blocking call.
func Lifeline(fd int) <-chan struct{} {
	unix.CloseOnExec(fd)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		defer unix.Close(fd)
		for {
			// Nobody writes: the hang-up is all that can come. Not every system tells of it unasked.
			fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			if _, err := unix.Poll(fds, -1); !errors.Is(err, unix.EINTR) {
				return
			}
		}
	}()
	return gone
}

package proc

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Lifeline returns a channel that is closed when the process at the other end of
// the pipe, the arbiter, is gone. It takes over fd.
//
// It waits in poll(2), which takes a thread, and does not make the descriptor
// non-blocking: all workers share the open file description, and one in another
// language may read from it with a blocking call.
func Lifeline(fd int) <-chan struct{} {
	unix.CloseOnExec(fd)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		defer unix.Close(fd)
		for {
			// Nobody writes, so only a hang-up can come. Not every system reports it if Events is empty.
			fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			if _, err := unix.Poll(fds, -1); !errors.Is(err, unix.EINTR) {
				return
			}
		}
	}()
	return gone
}

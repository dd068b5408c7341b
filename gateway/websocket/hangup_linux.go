//go:build !portable

package websocket

import "golang.org/x/sys/unix"

// hungUp reports whether the peer has closed its end of a socket.
func hungUp(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0
}

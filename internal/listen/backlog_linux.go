//go:build !portable

package listen

import "golang.org/x/sys/unix"

// Backlog is how many connections wait to be accepted at a listening TCP socket:
// tcpi_unacked, as ss(8) shows it. It is -1 if that is not known.
func Backlog(fd int) int {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return -1
	}
	return int(info.Unacked)
}

//go:build !portable

package workers

import "golang.org/x/sys/unix"

// accept accepts a connection and makes it non-blocking.
func accept(listener int) (fd int, err error) {
	fd, _, err = unix.Accept4(listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	return fd, err
}

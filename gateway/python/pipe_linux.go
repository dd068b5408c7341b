package python

import "golang.org/x/sys/unix"

// fionread asks how many bytes are in a pipe (ioctl_tty(2)).
const fionread = unix.TIOCINQ

func openPipe() (fds [2]int, err error) {
	err = unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK)
	return fds, err
}

package link

import "golang.org/x/sys/unix"

// fionread asks how many bytes are in a socket (ioctl_tty(2)).
const fionread = unix.TIOCINQ

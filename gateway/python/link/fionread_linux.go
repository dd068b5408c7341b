package link

import "golang.org/x/sys/unix"

// fionread asks for the bytes in a socket (ioctl_tty(2)).
const fionread = unix.TIOCINQ

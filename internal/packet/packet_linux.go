//go:build !portable

package packet

import "golang.org/x/sys/unix"

// Pair makes two connected sockets that no child inherits. The caller closes
// both.
func Pair() (a, b int, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, -1, err
	}
	return pair[0], pair[1], nil
}

func forceRoom(fd int) error {
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, room)
}

// Out is the sending side of a socket. Only one goroutine may use it at a time.
type Out struct{}

// Put sends a message without blocking. If there is no room, it fails with unix.EAGAIN:
// the caller must then call it again with the same message.
func (*Out) Put(fd int, p, oob []byte) error {
	for {
		_, err := unix.SendmsgN(fd, p, oob, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return err
		}
	}
}

// In is the receiving side of a socket. Only one goroutine may use it at a time.
type In struct{}

// Take receives one message into p, and its control messages into oob. N is 0 at the
// end. Without wait it fails with unix.EAGAIN if there is no message: the caller must
// then call it again with the same p.
func (*In) Take(fd int, p, oob []byte, wait bool) (Taken, error) {
	flags := unix.MSG_CMSG_CLOEXEC
	if !wait {
		flags |= unix.MSG_DONTWAIT
	}
	for {
		n, oobn, got, _, err := unix.Recvmsg(fd, p, oob, flags)
		if err != unix.EINTR {
			return Taken{N: n, OOB: oobn, Cut: got&unix.MSG_TRUNC != 0, Short: got&unix.MSG_CTRUNC != 0}, err
		}
	}
}

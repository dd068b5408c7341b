package control

import (
	"fmt"

	"golang.org/x/sys/unix"
)

const recvFlags = unix.MSG_CMSG_CLOEXEC

// socketRoom is what may wait in a worker's socket, in bytes of the kernel's memory.
const socketRoom = 1 << 20

// Pair makes two connected sockets that no child inherits. Theirs is for the
// process at the other end; the caller closes it once that has it.
func Pair() (ours *Conn, theirs int, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, -1, fmt.Errorf("make a control socket: %w", err)
	}
	return NewConn(pair[0]), pair[1], nil
}

// SocketPair makes two connected SOCK_SEQPACKET sockets that no child inherits,
// with room for the largest message. The caller closes both.
func SocketPair() (a, b int, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, -1, fmt.Errorf("make a socket for a worker: %w", err)
	}
	for _, fd := range pair {
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, socketRoom) != nil {
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, socketRoom) // as much as the system allows
		}
	}
	return pair[0], pair[1], nil
}

// File makes an unnamed file in memory that holds content, and that nobody can
// change: one who gets it might open it anew in /proc, and others read it, as
// root does with the Python runner. The caller closes it.
func File(content []byte) (fd int, err error) {
	fd, err = unix.MemfdCreate("gonicorn", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return -1, fmt.Errorf("make a file in memory: %w", err)
	}
	for at := 0; at < len(content); {
		n, err := unix.Pwrite(fd, content[at:], int64(at))
		if err != nil {
			unix.Close(fd)
			return -1, fmt.Errorf("write a file in memory: %w", err)
		}
		at += n
	}
	const seals = unix.F_SEAL_WRITE | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("seal a file in memory: %w", err)
	}
	return fd, nil
}

// StreamPair makes two connected stream sockets that no child inherits. The
// caller closes both.
func StreamPair() (a, b int, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, -1, fmt.Errorf("make a socket pair: %w", err)
	}
	return pair[0], pair[1], nil
}

package gatewaylink

import (
	"fmt"

	"github.com/gonicorn/gonicorn/internal/memfile"
	"github.com/gonicorn/gonicorn/internal/packet"
	"golang.org/x/sys/unix"
)

// Pair makes two connected sockets that no child inherits. theirs is for the process
// at the other end; the caller closes it once that process has it.
func Pair() (ours *Conn, theirs int, err error) {
	a, b, err := packet.Pair()
	if err != nil {
		return nil, -1, fmt.Errorf("make a control socket: %w", err)
	}
	return NewConn(a), b, nil
}

// SocketPair makes two connected sockets for messages, with room for the largest. No
// child inherits them. The caller closes both.
func SocketPair() (a, b int, err error) {
	if a, b, err = packet.Pair(); err != nil {
		return -1, -1, fmt.Errorf("make a socket for a worker: %w", err)
	}
	packet.Widen(a)
	packet.Widen(b)
	return a, b, nil
}

// File makes an unnamed file with this content. If the system has seals, nobody can
// change it. Otherwise a process that gets it could open it again through /proc and
// change what others read: root reads the Python runner from such a file. The caller
// closes it.
func File(content []byte) (fd int, err error) {
	fd, err = memfile.New("gonicorn", 0)
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
	if err := memfile.Protect(fd, memfile.Size|memfile.Write|memfile.Final); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("seal a file in memory: %w", err)
	}
	return fd, nil
}

// StreamPair makes two connected stream sockets that no child inherits. The
// caller closes both.
func StreamPair() (a, b int, err error) {
	if a, b, err = packet.StreamPair(); err != nil {
		return -1, -1, fmt.Errorf("make a socket pair: %w", err)
	}
	return a, b, nil
}

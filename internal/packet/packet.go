// Package packet sends whole messages, with descriptors, between processes. On Linux
// the kernel keeps messages whole (SOCK_SEQPACKET, unix(7)). Other systems have no such
// sockets, or lose messages if there is no room. There a message is sent over a stream,
// after its length in four bytes.
package packet

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// room is the buffer size of a socket for the largest messages, in bytes.
const room = 1 << 20

// Widen enlarges a socket's buffer for large messages, as far as the system allows.
func Widen(fd int) {
	if forceRoom(fd) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, room)
	}
}

// StreamPair makes two connected stream sockets that no child inherits. The
// caller closes both.
func StreamPair() (a, b int, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return -1, -1, err
	}
	unix.CloseOnExec(pair[0])
	unix.CloseOnExec(pair[1])
	return pair[0], pair[1], nil
}

// Taken says how much of a message was received.
type Taken struct {
	N, OOB int  // bytes of the message, and of its control messages
	Cut    bool // the message was longer
	Short  bool // there were more descriptors, or this process had no room for them
}

// Files returns the descriptors in control messages. Malformed ones are ignored: for
// those the kernel has made no descriptors.
func Files(oob []byte) (files []int) {
	if len(oob) == 0 {
		return nil
	}
	messages, _ := unix.ParseSocketControlMessage(oob)
	for i := range messages {
		fds, _ := unix.ParseUnixRights(&messages[i])
		files = append(files, fds...)
	}
	return files
}

// Send sends one message and waits until there is room for all of it.
func Send(fd int, p, oob []byte) error {
	var out Out
	for {
		err := out.Put(fd, p, oob)
		if !errors.Is(err, unix.EAGAIN) {
			return err
		}
		if err := Await(fd, unix.POLLOUT, -1); err != nil {
			return err
		}
	}
}

// Await waits until a descriptor is ready, but at most ms milliseconds; -1 is no bound.
// It fails with unix.EAGAIN when the time is over.
func Await(fd int, events int16, ms int) error {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: events}}, ms)
		switch {
		case errors.Is(err, unix.EINTR):
		case err == nil && n == 0:
			return unix.EAGAIN
		default:
			return err
		}
	}
}

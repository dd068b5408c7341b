package http1

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// sendMost bounds one sendfile(2), so that progress shows between two.
const sendMost = 1 << 20

// sendFile sends n bytes of f from off: by sendfile(2) where the connection is
// a plain socket. The file's own offset is neither used nor changed. progress
// is called before each part.
func sendFile(c net.Conn, f *os.File, off, n int64, progress func()) (sent int64, err error) {
	sock, ok := c.(syscall.Conn)
	if !ok {
		progress()
		return io.Copy(c, io.NewSectionReader(f, off, n))
	}
	out, err := sock.SyscallConn()
	if err != nil {
		return 0, err
	}
	for sent < n {
		progress()
		at, part := off+sent, 0
		err = errors.Join(err, out.Write(func(fd uintptr) bool {
			part, err = unix.Sendfile(int(fd), int(f.Fd()), &at, int(min(sendMost, n-sent)))
			return !errors.Is(err, unix.EAGAIN)
		}))
		if errors.Is(err, unix.EINTR) {
			err = nil
			continue
		}
		if err != nil || part <= 0 {
			return sent, err
		}
		sent += int64(part)
	}
	return sent, nil
}

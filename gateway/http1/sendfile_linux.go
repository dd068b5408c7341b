//go:build !portable

package http1

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// sendMost bounds one sendfile(2), so that progress is called often enough.
const sendMost = 1 << 20

// sendFile sends n bytes of f from off with sendfile(2). The file's own offset is
// neither used nor changed. progress is called before each part. An error that
// matches errors.ErrUnsupported means that the file or the socket does not support
// it, and nothing was sent.
func sendFile(to syscall.RawConn, f *os.File, off, n int64, progress func()) (sent int64, err error) {
	from := int(f.Fd())
	for sent < n {
		progress()
		at := off + sent
		var part int
		var failed error
		err := to.Write(func(fd uintptr) bool {
			part, failed = unix.Sendfile(int(fd), from, &at, int(min(sendMost, n-sent)))
			return !errors.Is(failed, unix.EAGAIN)
		})
		switch {
		case err != nil:
			return sent, err
		case errors.Is(failed, unix.EINTR):
		case errors.Is(failed, unix.EINVAL) && sent == 0:
			return 0, errors.ErrUnsupported
		case failed != nil:
			return sent, failed
		case part == 0:
			return sent, nil // the file has become shorter
		default:
			sent += int64(part)
		}
	}
	return sent, nil
}

//go:build !portable

package proxy

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// sendMost bounds one sendfile(2): bytes.
const sendMost = 1 << 20

// sendFile sends n bytes of f from its beginning; f's own offset is neither used
// nor changed.
func sendFile(c *workerConn, f *os.File, n int64) error {
	src, err := f.SyscallConn()
	if err != nil {
		return fmt.Errorf("send file: %w", err)
	}
	off := int64(0)
	for off < n {
		part := 0
		var failed error
		err := c.raw.Write(func(fd uintptr) bool {
			if err := src.Control(func(from uintptr) {
				part, failed = unix.Sendfile(int(fd), int(from), &off, int(min(sendMost, n-off)))
			}); err != nil {
				failed = err
			}
			return !errors.Is(failed, unix.EAGAIN)
		})
		switch {
		case err != nil:
			return fmt.Errorf("send file: %w", err)
		case errors.Is(failed, unix.EINTR):
		case failed != nil:
			return fmt.Errorf("send file: %w", failed)
		case part == 0:
			return fmt.Errorf("send file: %w", io.ErrUnexpectedEOF)
		}
	}
	return nil
}

package buffer

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

func dupFD(fd uintptr, name string) (*os.File, error) {
	n, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("duplicate a descriptor: %w", err)
	}
	return os.NewFile(uintptr(n), name), nil
}

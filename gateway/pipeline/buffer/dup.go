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

// duplicate opens a second descriptor of the same file.
func duplicate(f *os.File) (*os.File, error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, noSpace(err)
	}
	var dup *os.File
	if ctlErr := conn.Control(func(fd uintptr) { dup, err = dupFD(fd, f.Name()) }); ctlErr != nil {
		err = ctlErr
	}
	if err != nil {
		return nil, noSpace(err)
	}
	return dup, nil
}

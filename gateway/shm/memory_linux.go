package shm

import (
	"os"

	"golang.org/x/sys/unix"
)

// create makes a file in memory that has no name (memfd_create(2)).
func create(name string, size int) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	if err := f.Truncate(int64(size)); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// seal keeps everybody from resizing the file, and with readOnly others from
// mapping it to be written (F_SEAL_FUTURE_WRITE, Linux 5.1).
func seal(fd int, readOnly bool) error {
	seals := unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
	if readOnly {
		seals |= unix.F_SEAL_FUTURE_WRITE
	}
	_, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals)
	return err
}

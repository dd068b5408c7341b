//go:build !portable

package memfile

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Seals says whether Protect does anything.
const Seals = true

// New makes a file of this size. No child inherits the descriptor. The caller closes
// it.
func New(name string, size int64) (fd int, err error) {
	if fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING); err != nil {
		return -1, err
	}
	if err := unix.Ftruncate(fd, size); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// Protect seals a file (fcntl(2), F_ADD_SEALS). Kernels before 5.1 do not support
// FutureWrite; the error then matches errors.ErrUnsupported.
func Protect(fd int, seals Seal) error {
	bits := 0
	for seal, bit := range map[Seal]int{
		Size:  unix.F_SEAL_SHRINK | unix.F_SEAL_GROW,
		Write: unix.F_SEAL_WRITE, FutureWrite: unix.F_SEAL_FUTURE_WRITE, Final: unix.F_SEAL_SEAL,
	} {
		if seals&seal != 0 {
			bits |= bit
		}
	}
	_, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, bits)
	if seals&FutureWrite != 0 && errors.Is(err, unix.EINVAL) {
		return errors.ErrUnsupported
	}
	return err
}

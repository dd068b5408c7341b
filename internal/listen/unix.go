package listen

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// openUnix makes the socket's file, with the mode that the umask gives. It replaces a
// stale file, to which no process listens.
func openUnix(a Address, o Options) (_ *Socket, err error) {
	if err := clearPath(a); err != nil {
		return nil, err
	}
	fd, err := newSocket(unix.AF_UNIX)
	if err != nil {
		return nil, fmt.Errorf("open socket for %s: %w", a, err)
	}
	s := &Socket{FD: fd, Address: a}
	defer func() {
		if err != nil {
			unix.Close(fd)
			if s.ownsFile() {
				_ = os.Remove(a.Path) // the first error says more
			}
		}
	}()
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: a.Path}); err != nil {
		return nil, unixError(a, err)
	}
	// Nobody can connect before listen(2), so the mode is set early enough.
	if err := s.takeFile(o); err != nil {
		return nil, err
	}
	if err := s.listen(o.Backlog); err != nil {
		return nil, err
	}
	return s, nil
}

func unixError(a Address, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("address %s: its folder is missing; make it first, as with: mkdir -p: %w", a, err)
	case errors.Is(err, unix.EROFS), errors.Is(err, unix.EACCES):
		return fmt.Errorf("address %s: its folder cannot be written; choose another, as in unix:/tmp/app.sock: %w", a, err)
	}
	return bindError(a, err)
}

// takeFile sets the new file's mode and owner, and remembers its identity.
func (s *Socket) takeFile(o Options) error {
	path := s.Address.Path
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return fmt.Errorf("look at socket %s: %w", path, err)
	}
	s.dev, s.ino = uint64(st.Dev), st.Ino
	if err := os.Chmod(path, fs.FileMode(0o777&^o.Umask)); err != nil {
		return fmt.Errorf("set mode of socket: %w", err)
	}
	if o.UID < 0 && o.GID < 0 {
		return nil
	}
	if err := os.Lchown(path, o.UID, o.GID); err != nil {
		return fmt.Errorf("set owner of socket: %w", err)
	}
	return nil
}

// ownsFile reports whether the file at the path still belongs to this socket.
func (s *Socket) ownsFile() bool {
	var st unix.Stat_t
	err := unix.Lstat(s.Address.Path, &st)
	return err == nil && s.ino != 0 && st.Ino == s.ino && uint64(st.Dev) == s.dev
}

// clearPath removes the file of a stale socket, but no other file.
func clearPath(a Address) error {
	info, err := os.Lstat(a.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("address %s: %w", a, err)
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return fmt.Errorf("address %s: %s is there and is not a socket; remove it, or choose another path: %w", a, a.Path, fs.ErrExist)
	}
	fd, err := newSocket(unix.AF_UNIX)
	if err != nil {
		return fmt.Errorf("open socket to try %s: %w", a, err)
	}
	defer unix.Close(fd)
	switch err := unix.Connect(fd, &unix.SockaddrUnix{Name: a.Path}); {
	case errors.Is(err, unix.ENOENT):
		return nil
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return fmt.Errorf("address %s: another user's socket is there, which may be in use; remove it, or choose another path: %w", a, err)
	case !errors.Is(err, unix.ECONNREFUSED): // connected, or its backlog is full, or it is of another type
		return inUse(a)
	}
	if err := os.Remove(a.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("replace stale socket: %w", err)
	}
	return nil
}

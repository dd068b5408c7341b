package logging

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// output is the descriptor that lines are written to. It is a raw descriptor: stderr
// may be shared with other processes of a terminal, and an os.File could change
// O_NONBLOCK for them.
type output struct {
	fd  int
	std bool // one of the process's standard streams, which is never closed
}

// standard maps the names of standard streams to their descriptors. /dev/stdout
// cannot be opened if it is a socket, as under systemd.
func standard(path string) (fd int, is bool) {
	switch path {
	case "-", "/dev/stderr":
		return 2, true
	case "/dev/stdout":
		return 1, true
	}
	return -1, false
}

func isStd(path string) bool {
	_, is := standard(path)
	return is
}

// openOutput opens a log file. If its owner is to be changed, it must not be a
// symbolic or hard link: the other user may own the folder, and could make root give
// away any file.
func openOutput(path string, o SinkOptions) (*output, error) {
	if fd, is := standard(path); is {
		return &output{fd: fd, std: true}, nil
	}
	gives := o.UID >= 0 || o.GID >= 0
	flags := unix.O_WRONLY | unix.O_APPEND | unix.O_CREAT | unix.O_CLOEXEC | unix.O_NOCTTY | unix.O_NONBLOCK
	if gives {
		flags |= unix.O_NOFOLLOW
	}
	fd, err := unix.Open(path, flags, 0o644)
	if err != nil {
		return nil, openError(path, err)
	}
	if gives {
		if err := give(fd, o.UID, o.GID); err != nil {
			unix.Close(fd)
			return nil, fmt.Errorf("open log %s: %w", path, err)
		}
	}
	return &output{fd: fd}, nil
}

func give(fd, uid, gid int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("look at it: %w", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil // a device or a pipe keeps its owner
	}
	if st.Nlink > 1 {
		return fmt.Errorf("it has several names (hard links), and will not be given to uid %d; remove it: %w", uid, fs.ErrPermission)
	}
	if (uid < 0 || st.Uid == uint32(uid)) && (gid < 0 || st.Gid == uint32(gid)) {
		return nil
	}
	if err := unix.Fchown(fd, uid, gid); err != nil {
		return fmt.Errorf("give it to uid %d, gid %d: %w", uid, gid, err)
	}
	return nil
}

// openError adds what to do about the error.
func openError(path string, err error) error {
	folder := filepath.Dir(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("open log %s: %w; make its folder first: mkdir -p %s", path, err, folder)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("open log %s: %w for uid %d; choose another with --error-logfile, or - for stderr", path, err, os.Geteuid())
	case errors.Is(err, unix.ELOOP):
		return fmt.Errorf("open log %s: it is a symbolic link, and with --user the log must be the file itself: %w", path, err)
	case errors.Is(err, unix.EISDIR):
		return fmt.Errorf("open log %s: %w; name a file in it, as in --error-logfile %s", path, err, filepath.Join(path, "error.log"))
	case errors.Is(err, unix.ENXIO):
		return fmt.Errorf("open log %s: nobody reads this pipe: %w; start its reader first", path, err)
	}
	return fmt.Errorf("open log %s: %w", path, err)
}

// write writes all of b, and waits for the reader as long as necessary.
func (o *output) write(b []byte) error {
	for len(b) > 0 {
		n, err := unix.Write(o.fd, b)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN): // a terminal or pipe that somebody has made non-blocking
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(o.fd), Events: unix.POLLOUT}}, -1)
		case err != nil:
			return fmt.Errorf("write: %w", err)
		}
		b = b[max(n, 0):]
	}
	return nil
}

func (o *output) close() {
	if !o.std {
		_ = unix.Close(o.fd) // everything is written already
	}
}

// Color reports whether lines may have colours: the log is a terminal that supports
// them, and NO_COLOR (no-color.org) is not set.
func (s *Sink) Color() bool {
	fd, is := standard(s.path)
	return is && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(fd)
}

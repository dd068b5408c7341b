package listen

import (
	"fmt"
	"net"
	"os"
	"strconv"
)

// firstFD is where inherited sockets begin (sd_listen_fds(3)).
const firstFD = 3

// Listeners makes listeners of n inherited sockets from descriptor 3 up, as in
// sd_listen_fds(3). See FromFDs.
func Listeners(n int) ([]net.Listener, error) { return FromFDs(firstFD, n) }

// FromFDs makes listeners of n inherited sockets from descriptor first up. It closes
// the descriptors and works on duplicates; the caller closes the listeners. On an
// error all listeners are closed.
//
// The sockets should already be non-blocking, like those of this package: then the
// flag, which all processes with the socket share, is not changed.
func FromFDs(first, n int) ([]net.Listener, error) {
	var listeners []net.Listener
	for fd := first; fd < first+n; fd++ {
		l, err := fromFD(fd)
		if err != nil {
			for _, open := range listeners {
				open.Close()
			}
			return nil, fmt.Errorf("inherit socket: %w", err)
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

func fromFD(fd int) (net.Listener, error) {
	file := os.NewFile(uintptr(fd), "listener "+strconv.Itoa(fd))
	if file == nil {
		return nil, fmt.Errorf("descriptor %d: %w", fd, os.ErrInvalid)
	}
	defer file.Close()
	l, err := net.FileListener(file)
	if err != nil {
		return nil, fmt.Errorf("descriptor %d: %w", fd, err)
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // the file belongs to the arbiter
	}
	return l, nil
}

//go:build !linux

package python

import "golang.org/x/sys/unix"

func passCredentials(int) {}

// receive takes a message; nobody says here who has sent it.
func receive(fd int, buf []byte) (n, sender int, err error) {
	n, err = unix.Read(fd, buf)
	return n, 0, err // there is no template then
}

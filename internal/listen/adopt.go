package listen

import (
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Adopt takes over a listening socket from another process. text is the address that
// it was opened for; if empty, the address is found out. A unix socket's file is not
// removed unless Own(true) is called: the other process may still own it. The caller
// closes the socket.
func Adopt(fd int, text string) (*Socket, error) {
	s, err := adopt(Address{Network: "fd", FD: fd, Text: text})
	if err != nil {
		return nil, err
	}
	unix.Close(fd) // adopt works on a duplicate
	if text == "" {
		text = s.where()
	}
	if a, err := Parse(text); err == nil && a.Network != "fd" {
		s.Address = a
	} else {
		s.Address.Text = text
	}
	if b, ok := s.bound.(*unix.SockaddrUnix); ok {
		var st unix.Stat_t
		if err := unix.Lstat(b.Name, &st); err == nil && filepath.Clean(b.Name) == filepath.Clean(s.Address.Path) {
			s.dev, s.ino = uint64(st.Dev), st.Ino
		}
	}
	s.kept = true
	return s, nil
}

// where is the bound address, as it would be in a config.
func (s *Socket) where() string {
	if at := s.tcpBound(); at.IsValid() {
		return at.String()
	}
	if b, ok := s.bound.(*unix.SockaddrUnix); ok {
		return "unix:" + b.Name
	}
	return fmt.Sprintf("fd://%d", s.FD)
}

// Own says whether this process removes the file of a unix socket.
func (s *Socket) Own(own bool) { s.kept = !own }

package listen

import (
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Adopt takes over a listening socket that another process has handed down,
// with the address that it was opened for; an empty one is found out. A unix
// socket's file is left alone until Own is called: it may still be the other
// process's to remove. The caller closes the socket.
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

// where is the bound address, as a config would have it.
func (s *Socket) where() string {
	if at := s.tcpBound(); at.IsValid() {
		return at.String()
	}
	if b, ok := s.bound.(*unix.SockaddrUnix); ok {
		return "unix:" + b.Name
	}
	return fmt.Sprintf("fd://%d", s.FD)
}

// Own says whether the file of a unix socket is this process's to remove.
func (s *Socket) Own(own bool) { s.kept = !own }

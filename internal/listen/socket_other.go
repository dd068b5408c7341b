//go:build !linux

package listen

import (
	"errors"
	"fmt"
)

// Socket needs Linux.
type Socket struct {
	FD      int
	Address Address
}

// Open fails outside Linux.
func Open(a Address, _ Options) (*Socket, error) {
	return nil, fmt.Errorf("listen at %s: the arbiter's sockets need Linux: %w", a, errors.ErrUnsupported)
}

// Adopt fails outside Linux.
func Adopt(_ int, text string) (*Socket, error) { return Open(Address{Text: text}, Options{}) }

// Own does nothing.
func (s *Socket) Own(bool) {}

// Close does nothing.
func (s *Socket) Close() error { return nil }

// Port is never reached.
func (s *Socket) Port() int { return 0 }

// URL is the address.
func (s *Socket) URL() string { return s.Address.String() }

// Name is the address as written.
func (s *Socket) Name() string { return s.Address.Text }

// Same compares addresses.
func (s *Socket) Same(a Address) bool { return s.Address.String() == a.String() }

// OpenToAll is not known here.
func OpenToAll(int) bool { return false }

//go:build !linux

package notify

import (
	"errors"
	"fmt"
)

// Server needs Linux.
type Server struct{}

// Listen fails outside Linux: it rests on credentials that the kernel sends
// along.
func Listen() (*Server, error) {
	return nil, fmt.Errorf("open notify socket: needs Linux: %w", errors.ErrUnsupported)
}

// Addr is never reached.
func (s *Server) Addr() string { return "" }

// Messages is never reached.
func (s *Server) Messages() <-chan Message { return nil }

// Close does nothing.
func (s *Server) Close() error { return nil }

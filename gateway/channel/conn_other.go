//go:build !linux

package channel

import (
	"errors"
	"fmt"
	"os"
)

// Conn is not available outside Linux: other systems have no SOCK_SEQPACKET
// for unix sockets that passes descriptors.
type Conn struct{}

// NewConn fails outside Linux with errors.ErrUnsupported.
func NewConn(int) (*Conn, error) {
	return nil, fmt.Errorf("use worker's socket: %w", errors.ErrUnsupported)
}

// Close does nothing.
func (*Conn) Close() error { return nil }

// Send fails outside Linux.
func (*Conn) Send([]byte, ...int) error { return errors.ErrUnsupported }

// Receive fails outside Linux.
func (*Conn) Receive([]byte) (int, int, error) { return 0, -1, errors.ErrUnsupported }

func memfd([]byte) (*os.File, error) { return nil, errors.ErrUnsupported }

func rawFD(*os.File) (int, error) { return -1, errors.ErrUnsupported }

// Finish fails outside Linux.
func (*Conn) Finish() error { return errors.ErrUnsupported }

// Settled is never asked outside Linux.
func (*Conn) Settled() bool { return false }

//go:build !linux

package control

import (
	"errors"
	"fmt"
)

const recvFlags = 0

// Pair needs Linux.
func Pair() (*Conn, int, error) {
	return nil, -1, fmt.Errorf("make a control socket: %w", errors.ErrUnsupported)
}

// SocketPair needs Linux.
func SocketPair() (int, int, error) {
	return -1, -1, fmt.Errorf("make a socket for a worker: %w", errors.ErrUnsupported)
}

// File needs Linux.
func File([]byte) (int, error) {
	return -1, fmt.Errorf("make a file in memory: %w", errors.ErrUnsupported)
}

// StreamPair fails outside Linux with errors.ErrUnsupported.
func StreamPair() (a, b int, err error) {
	return -1, -1, fmt.Errorf("make a socket pair: %w", errors.ErrUnsupported)
}

//go:build !linux

package scoreboard

import (
	"errors"
	"fmt"
	"time"
)

// Slots is how many worker processes can exist at once.
const Slots = 4096

// ErrForeign says that a descriptor is not a scoreboard of this version.
var ErrForeign = errors.New("not a scoreboard of this version")

// Board is not available outside Linux: it rests on memfd.
type Board struct{}

// Create fails outside Linux with errors.ErrUnsupported.
func Create() (*Board, error) {
	return nil, fmt.Errorf("create scoreboard: memfd needs Linux: %w", errors.ErrUnsupported)
}

// Open fails outside Linux with errors.ErrUnsupported.
func Open(int) (*Board, error) {
	return nil, fmt.Errorf("open scoreboard: memfd needs Linux: %w", errors.ErrUnsupported)
}

// FD is never reached outside Linux.
func (b *Board) FD() int { return -1 }

// Slot is never reached outside Linux.
func (b *Board) Slot(int) *Slot { return nil }

// Traffic is never reached outside Linux.
func (b *Board) Traffic() *Traffic { return nil }

// Close does nothing.
func (b *Board) Close() error { return nil }

// Now is a monotonic time in nanoseconds.
func Now() int64 { return int64(time.Since(epoch)) }

var epoch = time.Now()

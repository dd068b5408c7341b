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

func unsupported(what string) error {
	return fmt.Errorf("%s: memfd needs Linux: %w", what, errors.ErrUnsupported)
}

// Board is not available outside Linux: it rests on memfd.
type Board struct{}

// Create fails outside Linux with errors.ErrUnsupported.
func Create() (*Board, error) { return nil, unsupported("create scoreboard") }

// Open fails outside Linux with errors.ErrUnsupported.
func Open(int) (*Board, error) { return nil, unsupported("open scoreboard") }

// FD is never reached outside Linux.
func (b *Board) FD() int { return -1 }

// Slot is never reached outside Linux.
func (b *Board) Slot(int) *Slot { return nil }

// Traffic is never reached outside Linux.
func (b *Board) Traffic() *Traffic { return nil }

// Account is never reached outside Linux.
func (b *Board) Account(int) *Account { return nil }

// Renew is never reached outside Linux.
func (b *Board) Renew(int) error { return unsupported("renew slot") }

// Attach is never reached outside Linux.
func (b *Board) Attach(int, int, int) error { return unsupported("attach slot") }

// Drop does nothing.
func (b *Board) Drop(int) {}

// Owner is never reached outside Linux.
func (b *Board) Owner(int) int { return 0 }

// Page is never reached outside Linux.
func (b *Board) Page(int) (int, error) { return -1, unsupported("hand on a page") }

// Close does nothing.
func (b *Board) Close() error { return nil }

// Page is not available outside Linux.
type Page struct{}

// OpenPage fails outside Linux with errors.ErrUnsupported.
func OpenPage(int) (*Page, error) { return nil, unsupported("open a page of the scoreboard") }

// Slot is never reached outside Linux.
func (p *Page) Slot() *Slot { return nil }

// Close does nothing.
func (p *Page) Close() error { return nil }

// Child is one process that the arbiter has started.
type Child struct {
	Slot, PID  int
	StartTicks uint64
	Guards     bool
}

// Register is not available outside Linux.
type Register struct{}

// CreateRegister fails outside Linux with errors.ErrUnsupported.
func CreateRegister() (*Register, error) { return nil, unsupported("create register of children") }

// OpenRegister fails outside Linux with errors.ErrUnsupported.
func OpenRegister(int) (*Register, error) { return nil, unsupported("open register of children") }

// FD is never reached outside Linux.
func (r *Register) FD() int { return -1 }

// Enter does nothing.
func (r *Register) Enter(Child) {}

// Clear does nothing.
func (r *Register) Clear(int) {}

// Claim fails outside Linux with errors.ErrUnsupported.
func (r *Register) Claim() error { return unsupported("claim register of children") }

// Yield does nothing.
func (r *Register) Yield() {}

// Children lists nobody.
func (r *Register) Children() []Child { return nil }

// Close does nothing.
func (r *Register) Close() error { return nil }

// Now is a monotonic time in nanoseconds.
func Now() int64 { return int64(time.Since(epoch)) }

var epoch = time.Now()

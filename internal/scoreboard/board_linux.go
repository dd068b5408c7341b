package scoreboard

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Slots is how many worker processes can exist at once, successors and
// draining ones included.
const Slots = 4096

const (
	magic   = 0x676f6e69636f726e // "gonicorn"
	version = 2
	length  = (Slots + 2) * PageSize // a header, the slots, and the traffic
)

// ErrForeign says that a descriptor is not a scoreboard of this version.
var ErrForeign = errors.New("not a scoreboard of this version")

type header struct {
	magic, version, slots, slotSize uint64
}

// Board is a mapped scoreboard. Pages that nobody has touched take no memory.
type Board struct {
	mem []byte
	fd  int
}

// Create makes a scoreboard in a new memfd, sealed against resizing. The
// caller closes it.
func Create() (*Board, error) {
	fd, err := unix.MemfdCreate("gonicorn-scoreboard", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("create scoreboard: %w", err)
	}
	if err := unix.Ftruncate(fd, length); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("size scoreboard: %w", err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("seal scoreboard: %w", err)
	}
	b, err := mapBoard(fd)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	*b.header() = header{magic: magic, version: version, slots: Slots, slotSize: PageSize}
	return b, nil
}

// Open maps the scoreboard behind fd, which it takes over: Close closes it.
// A descriptor that is something else matches ErrForeign.
func Open(fd int) (*Board, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, fmt.Errorf("stat scoreboard: %w", err)
	}
	if st.Size != length {
		return nil, fmt.Errorf("open scoreboard of %d bytes: %w", st.Size, ErrForeign)
	}
	b, err := mapBoard(fd)
	if err != nil {
		return nil, err
	}
	if h := b.header(); h.magic != magic || h.version != version {
		_ = unix.Munmap(b.mem)
		return nil, fmt.Errorf("open scoreboard: %w", ErrForeign)
	}
	unix.CloseOnExec(fd)
	return b, nil
}

func mapBoard(fd int) (*Board, error) {
	mem, err := unix.Mmap(fd, 0, length, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map scoreboard: %w", err)
	}
	return &Board{mem: mem, fd: fd}, nil
}

func (b *Board) header() *header { return (*header)(unsafe.Pointer(&b.mem[0])) }

// FD is the memfd, for handing to a child. The board keeps owning it.
func (b *Board) FD() int { return b.fd }

// Slot returns slot i, 0 <= i < Slots. It must not be used after Close.
func (b *Board) Slot(i int) *Slot {
	return (*Slot)(unsafe.Pointer(&b.mem[(i+1)*PageSize]))
}

// Traffic returns the counts of requests. It must not be used after Close.
func (b *Board) Traffic() *Traffic {
	return (*Traffic)(unsafe.Pointer(&b.mem[(Slots+1)*PageSize]))
}

// Close unmaps the memory and closes the descriptor.
func (b *Board) Close() error {
	return errors.Join(unix.Munmap(b.mem), unix.Close(b.fd))
}

// Now is CLOCK_MONOTONIC in nanoseconds.
func Now() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // cannot fail with a valid clock and pointer
	return ts.Nano()
}

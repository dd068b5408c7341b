package scoreboard

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/gonicorn/gonicorn/internal/memfile"
	"golang.org/x/sys/unix"
)

// Slots is how many processes can exist at once, including successors and
// draining workers.
const Slots = 4096

const (
	magic   = 0x676f6e69636f726e // "gonicorn"
	version = 4
)

// ErrForeign says that a descriptor is not a scoreboard of this version.
var ErrForeign = errors.New("not a scoreboard of this version")

var errSlot = errors.New("there is no such slot")

// shared is the file that the arbiter and its gateways share. No worker has it.
type shared struct {
	magic, version uint64
	traffic        Traffic
	accounts       [Slots]Account
}

// Board is the view of all slots that the arbiter or a gateway has. Each slot's
// page is a file of its own (see Page). It is mapped at the slot's place in one
// range of addresses. A place without a page reads as zeros.
//
// Renew, Attach and Drop may be called while other goroutines use the slot: these
// see either the old or the new page.
type Board struct {
	mem    []byte // a place for each slot
	shared []byte
	fd     int // of shared
	owners [Slots]atomic.Int64

	mu    sync.Mutex
	pages [Slots]int // descriptors of the pages, for passing on; 0 is none
}

// Create makes a scoreboard without pages. The caller must close it.
func Create() (*Board, error) {
	fd, err := sealed("gonicorn-traffic", whole(unsafe.Sizeof(shared{})), memfile.Size|memfile.Final)
	if err != nil {
		return nil, err
	}
	b, err := newBoard(fd)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	b.counts().magic, b.counts().version = magic, version
	return b, nil
}

// Open makes a gateway's view from the file behind fd, and takes over fd: Close
// closes it. If fd is something else, the error matches ErrForeign.
func Open(fd int) (*Board, error) {
	if err := isSize(fd, whole(unsafe.Sizeof(shared{}))); err != nil {
		return nil, err
	}
	b, err := newBoard(fd)
	if err != nil {
		return nil, err
	}
	if h := b.counts(); h.magic != magic || h.version != version {
		b.unmap()
		return nil, fmt.Errorf("open scoreboard: %w", ErrForeign)
	}
	unix.CloseOnExec(fd)
	return b, nil
}

func newBoard(fd int) (*Board, error) {
	b := &Board{fd: fd}
	var err error
	if b.shared, err = unix.Mmap(fd, 0, whole(unsafe.Sizeof(shared{})), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return nil, fmt.Errorf("map scoreboard: %w", err)
	}
	if b.mem, err = unix.Mmap(-1, 0, Slots*stride(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|noReserve); err != nil {
		_ = unix.Munmap(b.shared)
		return nil, fmt.Errorf("map scoreboard: %w", err)
	}
	return b, nil
}

func (b *Board) counts() *shared { return (*shared)(unsafe.Pointer(&b.shared[0])) }

// FD is the file of the counts, for passing to a gateway. The board still owns it.
func (b *Board) FD() int { return b.fd }

// Slot returns slot i, 0 <= i < Slots. It must not be used after Close.
func (b *Board) Slot(i int) *Slot {
	return (*Slot)(unsafe.Pointer(&b.mem[i*stride()]))
}

// Traffic returns the counts of requests. It must not be used after Close.
func (b *Board) Traffic() *Traffic { return &b.counts().traffic }

// Account returns what the gateways count for the worker in slot i. It must not
// be used after Close.
func (b *Board) Account(i int) *Account { return &b.counts().accounts[i] }

// Renew gives slot i a new page, for a process that is about to start.
func (b *Board) Renew(i int) error {
	fd, err := newPage()
	if err != nil {
		return err
	}
	if err := b.place(i, 0, fd); err != nil {
		unix.Close(fd)
		return err
	}
	b.Account(i).reset()
	return nil
}

// Attach maps fd, the page of process pid that the arbiter has sent, over slot i.
// It takes over fd.
func (b *Board) Attach(i, pid, fd int) error {
	err := isSize(fd, stride())
	if err == nil {
		err = b.place(i, pid, fd)
	}
	if err != nil {
		unix.Close(fd)
	}
	return err
}

// place maps a page over slot i and closes the previous page.
func (b *Board) place(i, pid, fd int) error {
	if i < 0 || i >= Slots {
		return fmt.Errorf("place a page over slot %d: %w", i, errSlot)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.overlay(i, unix.MAP_SHARED, fd); err != nil {
		return err
	}
	b.owners[i].Store(int64(pid))
	b.forget(i)
	b.pages[i] = fd
	return nil
}

// overlay maps fd over slot i.
func (b *Board) overlay(i, flags, fd int) error {
	at := unsafe.Pointer(&b.mem[i*stride()])
	if _, err := unix.MmapPtr(fd, 0, at, uintptr(stride()), unix.PROT_READ|unix.PROT_WRITE, flags|unix.MAP_FIXED); err != nil {
		return fmt.Errorf("map a page of the scoreboard: %w", err)
	}
	return nil
}

// Drop removes the page of slot i after its process is gone.
func (b *Board) Drop(i int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.owners[i].Store(0)
	b.forget(i)
	if b.overlay(i, unix.MAP_PRIVATE|unix.MAP_ANON|noReserve, -1) == nil {
		b.Account(i).reset()
	}
}

func (b *Board) forget(i int) {
	if b.pages[i] != 0 {
		unix.Close(b.pages[i])
		b.pages[i] = 0
	}
}

// Owner is the process whose page is at slot i, as Attach was told; 0 if that is
// not known.
func (b *Board) Owner(i int) int { return int(b.owners[i].Load()) }

// Page duplicates the descriptor of slot i's page, for passing to its process or
// to a gateway. The caller closes it.
func (b *Board) Page(i int) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i < 0 || i >= Slots || b.pages[i] == 0 {
		return -1, fmt.Errorf("hand on the page of slot %d: %w", i, errSlot)
	}
	fd, err := unix.FcntlInt(uintptr(b.pages[i]), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return -1, fmt.Errorf("hand on a page of the scoreboard: %w", err)
	}
	return fd, nil
}

// Close unmaps the memory and closes the descriptors.
func (b *Board) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.pages {
		b.forget(i)
	}
	b.unmap()
	if err := unix.Close(b.fd); err != nil {
		return fmt.Errorf("close scoreboard: %w", err)
	}
	return nil
}

func (b *Board) unmap() {
	_ = unix.Munmap(b.mem) // neither can fail: both are whole mappings
	_ = unix.Munmap(b.shared)
}

// stride is the size of a slot's place: a page of memory, because nothing smaller
// can be mapped. The slot is its first PageSize bytes.
func stride() int { return max(PageSize, os.Getpagesize()) }

// whole rounds up to whole pages of memory.
func whole(n uintptr) int {
	return (int(n) + os.Getpagesize() - 1) / os.Getpagesize() * os.Getpagesize()
}

// sealed makes a file in memory with this size and these seals.
func sealed(name string, size int, seals memfile.Seal) (int, error) {
	fd, err := memfile.New(name, int64(size))
	if err != nil {
		return -1, fmt.Errorf("create scoreboard: %w", err)
	}
	if err := memfile.Protect(fd, seals); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("seal scoreboard: %w", err)
	}
	return fd, nil
}

// isSize returns ErrForeign unless the file has this size.
func isSize(fd, size int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("stat scoreboard: %w", err)
	}
	if st.Size != int64(size) {
		return fmt.Errorf("open scoreboard of %d bytes: %w", st.Size, ErrForeign)
	}
	return nil
}

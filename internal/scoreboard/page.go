package scoreboard

import (
	"fmt"
	"unsafe"

	"github.com/gonicorn/gonicorn/internal/memfile"
	"golang.org/x/sys/unix"
)

// newPage makes the file of one slot. Its size is sealed: otherwise a worker could
// truncate it and so crash the processes that map it.
func newPage() (int, error) {
	return sealed("gonicorn-slot", stride(), memfile.Size|memfile.Final)
}

// Page is a process's own slot, as the process itself maps it.
type Page struct{ mem []byte }

// OpenPage maps the page behind fd, and closes fd. After an error fd stays open;
// if it is not a page, the error matches ErrForeign.
func OpenPage(fd int) (*Page, error) {
	if err := isSize(fd, stride()); err != nil {
		return nil, err
	}
	mem, err := unix.Mmap(fd, 0, stride(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map a page of the scoreboard: %w", err)
	}
	unix.Close(fd)
	return &Page{mem: mem}, nil
}

// Slot returns the slot. It must not be used after Close.
func (p *Page) Slot() *Slot { return (*Slot)(unsafe.Pointer(&p.mem[0])) }

// Close unmaps the page.
func (p *Page) Close() error {
	if err := unix.Munmap(p.mem); err != nil {
		return fmt.Errorf("unmap a page of the scoreboard: %w", err)
	}
	return nil
}

package scoreboard

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"unsafe"

	"github.com/gonicorn/gonicorn/internal/memfile"
	"golang.org/x/sys/unix"
)

// Child is a process that the arbiter has started. It leads a process group, so the
// group's number is the pid.
type Child struct {
	Slot       int
	PID        int
	StartTicks uint64 // field 22 of /proc/PID/stat: differs if the pid now belongs to another process
	Guards     bool   // it may have to end the others, so it is ended after them
}

type entry struct {
	pid    atomic.Int64
	ticks  atomic.Uint64
	guards atomic.Bool
}

// Register lists the arbiter's children: these are the processes that the guard may
// signal. Only the arbiter writes it. The guard and the gateways have a descriptor
// of it; workers have none.
// A read-only descriptor would not protect it, since the file can be opened again
// through /proc. So once the arbiter has its own mapping, the file is sealed against
// any further writable mapping (F_SEAL_FUTURE_WRITE).
type Register struct {
	mem []byte
	fd  int
}

const registerLength = Slots * unsafe.Sizeof(entry{})

// CreateRegister makes an empty register. The caller must close it.
func CreateRegister() (*Register, error) {
	fd, err := sealed("gonicorn-children", whole(registerLength), memfile.Size)
	if err != nil {
		return nil, err
	}
	mem, err := unix.Mmap(fd, 0, whole(registerLength), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("map register of children: %w", err)
	}
	r := &Register{mem: mem, fd: fd}
	err = memfile.Protect(fd, memfile.FutureWrite|memfile.Final)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) { // before Linux 5.1, where no worker gets the descriptor either
		r.Close()
		return nil, fmt.Errorf("seal register of children: %w", err)
	}
	return r, nil
}

// OpenRegister maps the register behind fd for reading. It takes over fd.
func OpenRegister(fd int) (*Register, error) {
	if err := isSize(fd, whole(registerLength)); err != nil {
		return nil, err
	}
	mem, err := unix.Mmap(fd, 0, whole(registerLength), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map register of children: %w", err)
	}
	unix.CloseOnExec(fd)
	return &Register{mem: mem, fd: fd}, nil
}

func (r *Register) entry(i int) *entry {
	return (*entry)(unsafe.Pointer(&r.mem[uintptr(i)*unsafe.Sizeof(entry{})]))
}

// FD is the register's file, for passing to the guard and the gateways. The register
// still owns it.
func (r *Register) FD() int { return r.fd }

// Enter records the child in a slot.
func (r *Register) Enter(c Child) {
	e := r.entry(c.Slot)
	e.pid.Store(0) // so that no reader combines a pid with another process's start
	e.ticks.Store(c.StartTicks)
	e.guards.Store(c.Guards)
	e.pid.Store(int64(c.PID))
}

// Clear records that the child in slot i is gone.
func (r *Register) Clear(i int) { r.entry(i).pid.Store(0) }

// Children lists all children.
func (r *Register) Children() (all []Child) {
	for i := range Slots {
		e := r.entry(i)
		if pid := e.pid.Load(); pid > 0 {
			all = append(all, Child{Slot: i, PID: int(pid), StartTicks: e.ticks.Load(), Guards: e.guards.Load()})
		}
	}
	return all
}

// Claim makes this process the one that ends the others. It fails while another
// process has claimed that. A claim ends with its process (fcntl(2), F_SETLK).
func (r *Register) Claim() error {
	whole := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	if err := unix.FcntlFlock(uintptr(r.fd), unix.F_SETLK, &whole); err != nil {
		return fmt.Errorf("claim register of children: %w", err)
	}
	return nil
}

// Yield gives up the claim.
func (r *Register) Yield() {
	whole := unix.Flock_t{Type: unix.F_UNLCK, Whence: io.SeekStart}
	_ = unix.FcntlFlock(uintptr(r.fd), unix.F_SETLK, &whole) // unlocking cannot fail, even without a lock
}

// Close unmaps the memory and closes the descriptor.
func (r *Register) Close() error {
	return errors.Join(unix.Munmap(r.mem), unix.Close(r.fd))
}

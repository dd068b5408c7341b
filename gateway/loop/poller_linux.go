package loop

import (
	"encoding/binary"
	"fmt"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxEvents is how many events one turn handles.
const maxEvents = 256

// poller is an epoll instance (epoll(7)) and the descriptor that wakes it.
type poller struct {
	fd     int
	waker  int
	events [maxEvents]unix.EpollEvent
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	waker, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	p := &poller{fd: fd, waker: waker}
	if err := p.control(waker, -1, unix.EPOLLIN|unix.EPOLLET); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *poller) control(fd int, generation int32, events uint32) error {
	e := unix.EpollEvent{Events: events, Fd: int32(fd), Pad: generation}
	if err := unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &e); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

func (p *poller) add(fd int, generation int32) error {
	return p.control(fd, generation, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLRDHUP|unix.EPOLLET)
}

func (p *poller) addInput(fd int, generation int32) error {
	return p.control(fd, generation, unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLET)
}

func (p *poller) addShared(fd int, generation int32) error {
	return p.control(fd, generation, unix.EPOLLIN|unix.EPOLLEXCLUSIVE)
}

func (p *poller) remove(fd int) {
	_ = unix.EpollCtl(p.fd, unix.EPOLL_CTL_DEL, fd, nil) // a closed one is out already
}

func (p *poller) wake() {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, _ = unix.Write(p.waker, one[:]) // a full counter wakes as well
}

// poll returns what there is now. It does not block, so the scheduler need not
// know.
func (p *poller) poll(into []event) ([]event, error) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])), maxEvents, 0, 0, 0)
	return p.took(into, int(n), errno)
}

// wait waits for d, or without an end where d is below 0.
func (p *poller) wait(into []event, d time.Duration) ([]event, error) {
	ms := -1
	if d >= 0 {
		ms = int((d + time.Millisecond - 1) / time.Millisecond)
	}
	n, _, errno := syscall.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])), maxEvents, uintptr(ms), 0, 0)
	return p.took(into, int(n), errno)
}

func (p *poller) took(into []event, n int, errno syscall.Errno) ([]event, error) {
	if errno != 0 {
		return into, errno
	}
	for i := range n {
		e := &p.events[i]
		if e.Pad == -1 && int(e.Fd) == p.waker {
			continue // an edge: nobody need read the counter
		}
		var ev Events
		if e.Events&unix.EPOLLIN != 0 {
			ev |= Readable
		}
		if e.Events&unix.EPOLLOUT != 0 {
			ev |= Writable
		}
		if e.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
			ev |= HungUp
		}
		into = append(into, event{e.Fd, e.Pad, ev})
	}
	return into, nil
}

func (p *poller) close() {
	unix.Close(p.fd)
	unix.Close(p.waker)
}

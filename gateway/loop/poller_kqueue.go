//go:build darwin || freebsd

package loop

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// maxEvents is how many events one turn handles.
const maxEvents = 256

// wakeIdent is the event that wakes the poller: a filter of the user's own.
const wakeIdent = 1

// poller is a kqueue (kqueue(2)).
type poller struct {
	fd     int
	events [maxEvents]unix.Kevent_t
	// generations has what was registered for each descriptor: what udata of an
	// event would carry is a pointer of Go's here.
	generations map[int]int32
}

func newPoller() (*poller, error) {
	fd, err := unix.Kqueue()
	if err != nil {
		return nil, fmt.Errorf("kqueue: %w", err)
	}
	unix.CloseOnExec(fd)
	p := &poller{fd: fd, generations: map[int]int32{}}
	var wake unix.Kevent_t
	unix.SetKevent(&wake, wakeIdent, unix.EVFILT_USER, unix.EV_ADD|unix.EV_CLEAR)
	if err := p.change(wake); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *poller) change(changes ...unix.Kevent_t) error {
	for {
		_, err := unix.Kevent(p.fd, changes, nil, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("kevent: %w", err)
		}
		return nil
	}
}

// add tells of both directions, each time that something is new (EV_CLEAR).
func (p *poller) add(fd int, generation int32) error {
	p.generations[fd] = generation
	var in, out unix.Kevent_t
	unix.SetKevent(&in, fd, unix.EVFILT_READ, unix.EV_ADD|unix.EV_CLEAR)
	unix.SetKevent(&out, fd, unix.EVFILT_WRITE, unix.EV_ADD|unix.EV_CLEAR)
	if err := p.change(in); err != nil {
		return err
	}
	_ = p.change(out) // what cannot be written, as the end of a pipe, has no such event
	return nil
}

// addInput is add without the other direction.
func (p *poller) addInput(fd int, generation int32) error {
	p.generations[fd] = generation
	var in unix.Kevent_t
	unix.SetKevent(&in, fd, unix.EVFILT_READ, unix.EV_ADD|unix.EV_CLEAR)
	return p.change(in)
}

// addShared tells of a listening socket that other processes have too, as long as
// something waits there. All of them are woken.
func (p *poller) addShared(fd int, generation int32) error {
	p.generations[fd] = generation
	var in unix.Kevent_t
	unix.SetKevent(&in, fd, unix.EVFILT_READ, unix.EV_ADD)
	return p.change(in)
}

func (p *poller) remove(fd int) {
	delete(p.generations, fd)
	for _, filter := range []int{unix.EVFILT_READ, unix.EVFILT_WRITE} {
		var gone unix.Kevent_t
		unix.SetKevent(&gone, fd, filter, unix.EV_DELETE)
		_ = p.change(gone) // a closed one is out already
	}
}

func (p *poller) wake() {
	var wake unix.Kevent_t
	unix.SetKevent(&wake, wakeIdent, unix.EVFILT_USER, 0)
	wake.Fflags = unix.NOTE_TRIGGER
	_ = p.change(wake) // it fails once the kqueue is closed, when nobody waits
}

// poll returns what there is now.
func (p *poller) poll(into []event) ([]event, error) { return p.wait(into, 0) }

// wait waits for d, or without an end where d is below 0.
func (p *poller) wait(into []event, d time.Duration) ([]event, error) {
	var timeout *unix.Timespec
	if d >= 0 {
		ts := unix.NsecToTimespec(int64(d))
		timeout = &ts
	}
	n, err := unix.Kevent(p.fd, nil, p.events[:], timeout)
	if err != nil {
		var errno unix.Errno
		if errors.As(err, &errno) {
			return into, errno
		}
		return into, fmt.Errorf("kevent: %w", err)
	}
	for i := range n {
		e := &p.events[i]
		if e.Filter == unix.EVFILT_USER {
			continue
		}
		fd := int(e.Ident)
		generation, known := p.generations[fd]
		if !known {
			continue
		}
		into = append(into, event{int32(fd), generation, eventsOf(e)})
	}
	return into, nil
}

func eventsOf(e *unix.Kevent_t) (ev Events) {
	switch e.Filter {
	case unix.EVFILT_READ:
		ev = Readable
	case unix.EVFILT_WRITE:
		ev = Writable
	}
	if e.Flags&(unix.EV_EOF|unix.EV_ERROR) != 0 {
		ev |= HungUp
	}
	return ev
}

func (p *poller) close() { unix.Close(p.fd) }

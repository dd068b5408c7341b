package process

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/internal/certificates"
	"github.com/gonicorn/gonicorn/internal/gatewaylink"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// arbiterLink is the gateway's side of its socket to the arbiter.
type arbiterLink struct {
	conn *gatewaylink.Conn
	log  *slog.Logger

	update   func([]gateway.Worker)          // takes over a list of workers and their sockets
	certify  func(certificates.Bundle) error // takes over new certificates
	ended    func([]wire.Ended)              // is called with workers that have ended
	inFlight func() []wire.InFlight          // what the workers have in flight; may be nil

	pending   []gateway.Worker // workers of a list that is not complete yet
	pages     map[int]int      // descriptors of their pages, by slot
	conns     map[int]int      // descriptors of their sockets, by slot
	workers   chan struct{}    // closed once the first list is complete
	ready     chan struct{}    // closed once a list has a worker that does not drain
	certified chan struct{}    // closed once the first certificates are in use

	mu   sync.Mutex
	next wire.FromGateway // the next report
	news chan struct{}    // has one element when there is something to report
}

func newArbiterLink(fd int, log *slog.Logger) *arbiterLink {
	return &arbiterLink{
		conn: gatewaylink.NewConn(fd), log: log, pages: map[int]int{}, conns: map[int]int{},
		workers: make(chan struct{}), ready: make(chan struct{}), certified: make(chan struct{}), news: make(chan struct{}, 1),
	}
}

// hear takes messages from the arbiter until it is gone.
func (l *arbiterLink) hear() {
	for {
		var m wire.ToGateway
		files, err := l.conn.Receive(&m)
		switch {
		case errors.Is(err, io.EOF):
			return
		case errors.Is(err, gatewaylink.ErrMessage):
			l.log.Error("the arbiter sent an invalid message", "error", err)
		case err != nil:
			l.log.Error("cannot hear the arbiter", "error", err)
			return
		default:
			if err := l.take(m, files); err != nil {
				l.log.Error("cannot follow the arbiter's message", "error", err)
			}
		}
	}
}

// take acts on one message. The descriptors belong to it.
func (l *arbiterLink) take(m wire.ToGateway, files []int) error {
	next := func() int {
		if len(files) == 0 {
			return -1
		}
		fd := files[0]
		files = files[1:]
		return fd
	}
	if m.Certificates {
		if err := l.readCertificates(next()); err != nil {
			return err
		}
	}
	for _, slot := range m.Pages {
		l.pages[slot] = next()
	}
	for _, slot := range m.Conns {
		l.conns[slot] = next()
	}
	if len(m.Ended) > 0 && l.ended != nil {
		l.ended(m.Ended)
	}
	if m.Ask {
		l.reportInFlight()
	}
	if !m.Snapshot {
		return nil
	}
	for _, w := range m.Workers {
		w.Page, w.Conn = take(l.pages, w.Slot), take(l.conns, w.Slot)
		l.pending = append(l.pending, w)
	}
	if !m.More {
		if slices.ContainsFunc(l.pending, func(w gateway.Worker) bool { return !w.Draining }) {
			once(l.ready)
		}
		l.update(l.pending)
		l.pending = nil
		once(l.workers)
	}
	return nil
}

// take removes and returns a slot's descriptor; -1 is none.
func take(files map[int]int, slot int) int {
	fd, ok := files[slot]
	if !ok {
		return -1
	}
	delete(files, slot)
	return fd
}

// readCertificates reads certificates from a file and uses them. It closes the file.
func (l *arbiterLink) readCertificates(fd int) error {
	f := os.NewFile(uintptr(fd), "certificates")
	if f == nil {
		return errors.New("read certificates: no file was passed")
	}
	defer f.Close()
	var m certificates.Bundle
	if err := json.NewDecoder(io.NewSectionReader(f, 0, 64<<20)).Decode(&m); err != nil {
		return fmt.Errorf("read certificates: %w", err)
	}
	if err := l.certify(m); err != nil {
		return err
	}
	once(l.certified)
	return nil
}

// once closes a channel that only this goroutine closes.
func once(c chan struct{}) {
	select {
	case <-c:
	default:
		close(c)
	}
}

// reportIdle tells the arbiter that a draining worker has nothing in flight any more. It
// does not wait.
func (l *arbiterLink) reportIdle(slot, pid int) {
	l.report(func(m *wire.FromGateway) { m.Idle = append(m.Idle, wire.Idle{Slot: slot, PID: pid}) })
}

// reportStuck tells the arbiter that a worker is stuck and may not be able to report
// that itself. It does not wait.
func (l *arbiterLink) reportStuck(w wire.Stuck) {
	w.InFlight.Path = w.InFlight.Path[:min(len(w.InFlight.Path), wire.ControlPath)]
	l.report(func(m *wire.FromGateway) {
		if len(m.Stuck) < wire.ControlInFlight {
			m.Stuck = append(m.Stuck, w)
		}
	})
}

// reportBroken tells the arbiter that a worker has sent invalid data, so that the
// arbiter replaces it. It does not wait.
func (l *arbiterLink) reportBroken(slot, pid int) {
	l.report(func(m *wire.FromGateway) { m.Broken = append(m.Broken, wire.Idle{Slot: slot, PID: pid}) })
}

// reportInFlight tells the arbiter the oldest requests in flight.
func (l *arbiterLink) reportInFlight() {
	var all []wire.InFlight
	if l.inFlight != nil {
		all = l.inFlight()
	}
	slices.SortFunc(all, func(a, b wire.InFlight) int { return cmp.Compare(b.Age, a.Age) })
	all = all[:min(len(all), wire.ControlInFlight)]
	for i := range all {
		all[i].Path = all[i].Path[:min(len(all[i].Path), wire.ControlPath)]
	}
	l.report(func(m *wire.FromGateway) { m.Answer, m.InFlight = true, all })
}

func (l *arbiterLink) report(add func(*wire.FromGateway)) {
	l.mu.Lock()
	add(&l.next)
	l.mu.Unlock()
	select {
	case l.news <- struct{}{}:
	default:
	}
}

// tell sends reports until done is closed.
func (l *arbiterLink) tell(done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-l.news:
		}
		l.mu.Lock()
		m := l.next
		l.next = wire.FromGateway{}
		l.mu.Unlock()
		if err := l.conn.Send(m, nil); err != nil {
			l.log.Warn("cannot tell the arbiter", "error", err)
			return
		}
	}
}

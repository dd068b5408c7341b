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
	ended    func([]wire.Ended)              // takes note of workers that have ended
	inFlight func() []wire.InFlight          // what the workers have in flight; may be nil

	pending   []gateway.Worker // of a list that is not complete yet
	pages     map[int]int      // slot to descriptor, likewise
	conns     map[int]int      // likewise
	workers   chan struct{}    // closed once the first list is there
	ready     chan struct{}    // closed once there is a worker
	certified chan struct{}    // closed once the first certificates are there

	mu   sync.Mutex
	next wire.FromGateway // to be reported
	news chan struct{}
}

func newArbiterLink(fd int, log *slog.Logger) *arbiterLink {
	return &arbiterLink{
		conn: gatewaylink.NewConn(fd), log: log, pages: map[int]int{}, conns: map[int]int{},
		workers: make(chan struct{}), ready: make(chan struct{}), certified: make(chan struct{}), news: make(chan struct{}, 1),
	}
}

// hear takes what the arbiter says until it is gone.
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

// take acts on one message; it owns the descriptors.
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

// take takes a slot's descriptor; -1 is none.
func take(files map[int]int, slot int) int {
	fd, ok := files[slot]
	if !ok {
		return -1
	}
	delete(files, slot)
	return fd
}

// readCertificates takes over the certificates in a file, which it closes.
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

// reportIdle tells the arbiter that a draining worker has nothing in flight any
// more. It does not wait.
func (l *arbiterLink) reportIdle(slot, pid int) {
	l.report(func(m *wire.FromGateway) { m.Idle = append(m.Idle, wire.Idle{Slot: slot, PID: pid}) })
}

// reportStuck tells the arbiter that a worker is held up and may not be able to
// say by what. It does not wait.
func (l *arbiterLink) reportStuck(w wire.Stuck) {
	w.InFlight.Path = w.InFlight.Path[:min(len(w.InFlight.Path), wire.ControlPath)]
	l.report(func(m *wire.FromGateway) {
		if len(m.Stuck) < wire.ControlInFlight {
			m.Stuck = append(m.Stuck, w)
		}
	})
}

// reportBroken tells the arbiter that a worker sent invalid data, so that it has
// the worker replaced. It does not wait.
func (l *arbiterLink) reportBroken(slot, pid int) {
	l.report(func(m *wire.FromGateway) { m.Broken = append(m.Broken, wire.Idle{Slot: slot, PID: pid}) })
}

// reportInFlight tells the arbiter what the gateway has in flight: the oldest of it.
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

// tell sends what is to be reported until done is closed.
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

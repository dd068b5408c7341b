package gateways

import (
	"errors"
	"fmt"
	"time"

	"github.com/gonicorn/gonicorn/internal/gatewaylink"
	"github.com/gonicorn/gonicorn/internal/wire"
	"golang.org/x/sys/unix"
)

// tell sends the newest state whenever it has changed.
func (g *Links) tell(l *link) {
	defer func() {
		g.asking.Lock() // so that nobody asks over a closed link
		defer g.asking.Unlock()
		l.closed = true
		l.conn.Close()
	}()
	for {
		select {
		case <-l.gone:
			return
		case <-l.news:
		}
		if err := g.send(l); err != nil {
			g.log.Debug("cannot tell the gateway of its workers", "error", err)
			l.conn.Hangup()
			<-l.gone
			return
		}
	}
}

// scarceTime is the time between two tries if the system is short of something.
const scarceTime = time.Second

// scarce reports whether an error says that descriptors or memory are used up: a
// later try may succeed.
func scarce(err error) bool {
	for _, e := range []error{unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.ENOSPC, unix.ETOOMANYREFS} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// patiently repeats try while descriptors or memory are short, because a gateway
// that the arbiter cannot reach serves nothing.
func (g *Links) patiently(l *link, try func() error) error {
	for {
		err := try()
		if !scarce(err) {
			return err
		}
		g.log.Warn("the gateway is told later of its workers: this process has no room for that", "error", err)
		select {
		case <-l.gone:
			return err
		case <-time.After(scarceTime):
		}
	}
}

// send sends new certificates, newly ended workers, and the list of all workers in
// messages of bounded size.
func (g *Links) send(l *link) error {
	g.mu.Lock()
	workers, certificates := g.workersOf(l), g.certificates
	if l.generation > g.since {
		certificates = l.own // its reload is not committed yet
	}
	g.mu.Unlock()
	if len(certificates) > 0 && l.certificates != &certificates[0] {
		var file int
		err := g.patiently(l, func() (err error) {
			file, err = gatewaylink.File(certificates)
			return err
		})
		if err != nil {
			return err
		}
		err = l.conn.Send(wire.ToGateway{Certificates: true}, []int{file})
		unix.Close(file)
		if err != nil {
			return err
		}
		l.certificates = &certificates[0]
	}
	if ended := g.endedSince(l); len(ended) > 0 {
		if err := l.conn.Send(wire.ToGateway{Ended: ended}, nil); err != nil {
			return err
		}
	}
	for {
		n := min(len(workers), wire.ControlWorkers)
		m := wire.ToGateway{Snapshot: true, Workers: workers[:n], More: n < len(workers)}
		err := g.patiently(l, func() error {
			m.Pages, m.Conns = nil, nil
			files, err := g.filesOf(l, workers[:n], &m)
			if err == nil {
				err = l.conn.Send(m, files)
			}
			for _, fd := range files {
				unix.Close(fd)
			}
			return err
		})
		if err != nil {
			return err
		}
		for _, w := range workers[:n] {
			l.told[w.Slot] = w.PID
		}
		if workers = workers[n:]; len(workers) == 0 {
			return nil
		}
	}
}

// workersOf lists the workers that belong to the gateway of a link: those from its
// own generation up to, but not including, the next gateway's.
func (g *Links) workersOf(l *link) []wire.Worker {
	next := int(^uint(0) >> 1)
	for _, other := range g.links {
		if other.generation > l.generation {
			next = min(next, other.generation)
		}
	}
	var all []wire.Worker
	for _, w := range g.workers {
		generation := w.Generation
		if w.Trial {
			generation--
		}
		if generation >= l.generation && generation < next {
			all = append(all, w.Worker)
		}
	}
	return all
}

// filesOf duplicates the scoreboard pages and sockets of the workers that the
// gateway does not know yet. Originals are not sent, because they may be closed
// before that. m says which worker each file belongs to. The caller closes the
// files, even after an error.
func (g *Links) filesOf(l *link, workers []wire.Worker, m *wire.ToGateway) (files []int, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var conns []int
	for _, w := range workers {
		if l.told[w.Slot] == w.PID {
			continue
		}
		page, err := g.page(w.Slot)
		if scarce(err) {
			return append(files, conns...), fmt.Errorf("hand a worker's page to the gateway: %w", err)
		}
		if err == nil { // otherwise the worker is gone
			m.Pages = append(m.Pages, w.Slot)
			files = append(files, page)
		}
		fd, ok := g.conns[w.Slot]
		if !ok {
			continue
		}
		dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return append(files, conns...), fmt.Errorf("hand a worker's socket to the gateway: %w", err)
		}
		m.Conns = append(m.Conns, w.Slot)
		conns = append(conns, dup)
	}
	return append(files, conns...), nil
}

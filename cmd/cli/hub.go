package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/gonicorn/gonicorn/arbiter"
	"github.com/gonicorn/gonicorn/internal/control"
	"github.com/gonicorn/gonicorn/internal/wire"
	"golang.org/x/sys/unix"
)

// hub tells every gateway process which workers there are, and hears from it
// which of them are idle. There may be two gateways at once, the old one of a
// reload and the new one: each gets the workers of its own time. The arbiter's
// loop never waits for a gateway: only the newest state is ever sent.
type hub struct {
	log *slog.Logger

	page         func(slot int) (fd int, err error) // duplicates a worker's page of the scoreboard
	idle, broken func(slot, pid int)                // of a worker; must not wait for a gateway
	stuck        func(wire.Stuck)                   // likewise

	asking   sync.Mutex // one asks at a time
	mu       sync.Mutex
	peers    []arbiter.Peer
	material []byte      // certificates and keys, as JSON; nil without TLS
	since    int         // the generation that brought them
	conns    map[int]int // slot to the gateway's end of a Python worker's own socket
	links    []*link
	ended    []wire.Ended // the last workers that have ended
	endings  int          // how many there were
	wg       sync.WaitGroup
}

// link is the socket to one gateway process.
type link struct {
	generation int
	own        []byte // its generation's certificates, until they are everybody's; nil without TLS
	conn       *control.Conn
	news       chan struct{} // has one element when there is something to send
	held       chan []wire.Held
	closed     bool // guarded by hub.asking
	gone       chan struct{}

	endings  int         // of hub.endings, how many were sent
	told     map[int]int // slot to pid of the workers whose pages and sockets were sent
	material *byte       // first byte of the material that was sent
}

func newHub(log *slog.Logger, page func(int) (int, error), idle, broken func(slot, pid int), stuck func(wire.Stuck)) *hub {
	return &hub{log: log, page: page, idle: idle, broken: broken, stuck: stuck, conns: map[int]int{}}
}

// connect makes the socket for a gateway about to be started, and returns its
// end of it, which the caller closes once the process has it. material are the
// certificates of its generation.
func (h *hub) connect(generation int, material []byte) (theirs int, err error) {
	conn, theirs, err := control.Pair()
	if err != nil {
		return -1, err
	}
	l := &link{
		generation: generation, own: material, conn: conn, told: map[int]int{},
		news: make(chan struct{}, 1), held: make(chan []wire.Held, 1), gone: make(chan struct{}),
	}
	h.mu.Lock()
	h.links = append(h.links, l)
	h.mu.Unlock()
	h.wg.Go(func() { h.hear(l) })
	h.wg.Go(func() { h.tell(l) })
	h.poke()
	return theirs, nil
}

// publish takes over the newest list of workers.
func (h *hub) publish(peers []arbiter.Peer) {
	h.mu.Lock()
	h.peers = peers
	h.mu.Unlock()
	h.poke()
}

// endedMost is how many workers that have ended are remembered for gateways that
// have not been told.
const endedMost = 64

// ends takes note of a worker that has ended.
func (h *hub) ends(e wire.Ended) {
	h.mu.Lock()
	h.ended = append(h.ended, e)
	h.ended = h.ended[max(0, len(h.ended)-endedMost):]
	h.endings++
	h.mu.Unlock()
	h.poke()
}

// endedSince lists the workers that have ended and that a gateway was not told of.
func (h *hub) endedSince(l *link) []wire.Ended {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := min(h.endings-l.endings, len(h.ended))
	l.endings = h.endings
	return slices.Clone(h.ended[len(h.ended)-n:])
}

// certify takes over new certificates, which a generation has brought.
func (h *hub) certify(material []byte, since int) {
	h.mu.Lock()
	h.material, h.since = material, since
	h.mu.Unlock()
	h.poke()
}

// own takes the gateway's end of the socket of a worker about to start in a
// slot; the one of the slot's last worker is closed.
func (h *hub) own(slot, fd int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if old, ok := h.conns[slot]; ok {
		unix.Close(old)
	}
	h.conns[slot] = fd
}

// hangUp ends the connection of the worker in a slot, which all holders of the
// gateway's end share.
func (h *hub) hangUp(slot int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if fd, ok := h.conns[slot]; ok {
		_ = unix.Shutdown(fd, unix.SHUT_RDWR) // it is, if the worker has closed its end
	}
}

// heldTime bounds how long a gateway may take to say what it has in hand.
const heldTime = time.Second

// requests asks every gateway what it has in hand.
func (h *hub) requests(ctx context.Context) (all []wire.Held) {
	h.asking.Lock()
	defer h.asking.Unlock()
	h.mu.Lock()
	links := slices.Clone(h.links)
	h.mu.Unlock()
	for _, l := range links {
		if l.closed {
			continue
		}
		select {
		case <-l.held: // an answer that came too late for the one before
		default:
		}
		if err := l.conn.Send(wire.ToGateway{Ask: true}, nil); err != nil {
			continue // it is gone
		}
		late := time.NewTimer(heldTime)
		select {
		case held := <-l.held:
			all = append(all, held...)
		case <-l.gone:
		case <-late.C:
		case <-ctx.Done():
		}
		late.Stop()
	}
	return all
}

func (h *hub) poke() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range h.links {
		select {
		case l.news <- struct{}{}:
		default:
		}
	}
}

// close ends all links. The gateways are gone by then.
func (h *hub) close() {
	h.mu.Lock()
	for _, l := range h.links {
		l.conn.Hangup()
	}
	h.mu.Unlock()
	h.wg.Wait()
	for _, fd := range h.conns {
		unix.Close(fd)
	}
}

// hear reads what the gateway says until it is gone.
func (h *hub) hear(l *link) {
	for {
		var m wire.FromGateway
		_, err := l.conn.Receive(&m)
		if errors.Is(err, control.ErrMessage) {
			h.log.Error("the gateway sends nonsense", "error", err)
			continue
		}
		if err != nil {
			break
		}
		if m.Answer {
			select {
			case l.held <- m.Held:
			default: // nobody asked
			}
		}
		for _, i := range m.Idle {
			h.idle(i.Slot, i.PID)
		}
		for _, w := range m.Stuck {
			h.stuck(w)
		}
		for _, i := range m.Broken {
			h.broken(i.Slot, i.PID)
		}
	}
	close(l.gone)
	h.mu.Lock()
	h.links = slices.DeleteFunc(h.links, func(x *link) bool { return x == l })
	h.mu.Unlock()
}

// tell sends the newest state whenever it has changed.
func (h *hub) tell(l *link) {
	defer func() {
		h.asking.Lock() // nobody asks while it is closed
		defer h.asking.Unlock()
		l.closed = true
		l.conn.Close()
	}()
	for {
		select {
		case <-l.gone:
			return
		case <-l.news:
		}
		if err := h.send(l); err != nil {
			h.log.Debug("cannot tell the gateway of its workers", "error", err)
			l.conn.Hangup()
			<-l.gone
			return
		}
	}
}

// send sends what is new: certificates, and all workers in messages
// of a bounded size.
func (h *hub) send(l *link) error {
	h.mu.Lock()
	workers, material := h.workersOf(l), h.material
	if l.generation > h.since {
		material = l.own // a reload that is not committed
	}
	h.mu.Unlock()
	if len(material) > 0 && l.material != &material[0] {
		file, err := control.File(material)
		if err != nil {
			return err
		}
		err = l.conn.Send(wire.ToGateway{Material: true}, []int{file})
		unix.Close(file)
		if err != nil {
			return err
		}
		l.material = &material[0]
	}
	if ended := h.endedSince(l); len(ended) > 0 {
		if err := l.conn.Send(wire.ToGateway{Ended: ended}, nil); err != nil {
			return err
		}
	}
	for {
		n := min(len(workers), wire.ControlWorkers)
		m := wire.ToGateway{Snapshot: true, Workers: workers[:n], More: n < len(workers)}
		files, err := h.filesOf(l, workers[:n], &m)
		if err == nil {
			err = l.conn.Send(m, files)
		}
		closeAll(files...)
		if err != nil {
			return err
		}
		if workers = workers[n:]; len(workers) == 0 {
			return nil
		}
	}
}

// workersOf lists the workers that belong to the gateway of a link: those
// since its generation, and before the next gateway's.
func (h *hub) workersOf(l *link) []wire.Worker {
	next := int(^uint(0) >> 1)
	for _, other := range h.links {
		if other.generation > l.generation {
			next = min(next, other.generation)
		}
	}
	var all []wire.Worker
	for _, p := range h.peers {
		generation := p.Generation
		if p.Trial {
			generation-- // it serves behind the gateway of the generation before
		}
		if generation < l.generation || generation >= next {
			continue
		}
		all = append(all, wire.Worker{
			Slot: p.Slot, ID: p.ID, Generation: p.Generation, PID: p.PID, Draining: p.Draining,
			Network: p.Network, Address: p.Address, Capacity: p.Capacity, Share: p.Share,
		})
	}
	return all
}

// filesOf duplicates, for those workers of which the gateway has not got them
// yet, their pages of the scoreboard and their sockets: one may be closed before it is sent. m says whose they are. The caller closes them,
// whatever the error.
func (h *hub) filesOf(l *link, workers []wire.Worker, m *wire.ToGateway) (files []int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var conns []int
	for _, w := range workers {
		if l.told[w.Slot] == w.PID {
			continue
		}
		l.told[w.Slot] = w.PID
		if page, err := h.page(w.Slot); err == nil { // else the worker is gone
			m.Pages = append(m.Pages, w.Slot)
			files = append(files, page)
		}
		fd, ok := h.conns[w.Slot]
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

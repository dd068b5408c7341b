// Package gateways is the arbiter's end of the sockets to all gateways.
package gateways

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/gonicorn/gonicorn/internal/gatewaylink"
	"github.com/gonicorn/gonicorn/internal/wire"
	"golang.org/x/sys/unix"
)

// Links tells every gateway process which workers there are, and learns from it
// which of them are idle. During a reload there may be two gateways, the old and
// the new one: each gets the workers of its own generations. The arbiter's loop
// never waits for a gateway, because only the newest state is sent.
type Links struct {
	log *slog.Logger

	page func(slot int) (fd int, err error) // duplicates a worker's page of the scoreboard
	say  Events

	asking       sync.Mutex // held during a question: only one at a time
	mu           sync.Mutex
	workers      []Worker
	certificates []byte      // certificates and keys, as JSON; nil without TLS
	since        int         // the generation that they came with
	conns        map[int]int // by slot: the gateway's end of a Python worker's own socket
	links        []*link
	ended        []wire.Ended // the last workers that have ended
	endings      int          // how many workers have ended
	wg           sync.WaitGroup
}

// link is the socket to one gateway process.
type link struct {
	generation int
	own        []byte // its generation's certificates, used until that is committed; nil without TLS
	conn       *gatewaylink.Conn
	news       chan struct{} // holds one element if there is something to send
	inFlight   chan []wire.InFlight
	closed     bool // guarded by Links.asking
	gone       chan struct{}

	endings      int         // the value of Links.endings when they were last sent
	told         map[int]int // by slot: pid of the worker whose page and socket were sent
	certificates *byte       // first byte of the certificates that were sent, to recognize them
}

// Events are called with what gateways report about workers. They must not wait for a gateway.
type Events struct {
	Idle   func(slot, pid int) // a draining worker has nothing in flight
	Broken func(slot, pid int) // a worker sent invalid data
	Stuck  func(wire.Stuck)    // a request takes too long, or C code holds the interpreter
}

// New makes the Links. page duplicates a worker's page of the scoreboard.
func New(log *slog.Logger, page func(slot int) (fd int, err error), say Events) *Links {
	return &Links{log: log, page: page, say: say, conns: map[int]int{}}
}

// Connect makes the socket for a gateway that is about to start, and returns the
// gateway's end. The caller closes that once the process has it. certificates are
// those of the gateway's generation.
func (g *Links) Connect(generation int, certificates []byte) (theirs int, err error) {
	conn, theirs, err := gatewaylink.Pair()
	if err != nil {
		return -1, err
	}
	l := &link{
		generation: generation, own: certificates, conn: conn, told: map[int]int{},
		news: make(chan struct{}, 1), inFlight: make(chan []wire.InFlight, 1), gone: make(chan struct{}),
	}
	g.mu.Lock()
	g.links = append(g.links, l)
	g.mu.Unlock()
	g.wg.Go(func() { g.hear(l) })
	g.wg.Go(func() { g.tell(l) })
	g.poke()
	return theirs, nil
}

// Worker is a worker that gateways are told of.
type Worker struct {
	wire.Worker
	Trial bool // it serves beside the previous generation, behind that one's gateway
}

// Publish sets the list of workers and has it sent.
func (g *Links) Publish(workers []Worker) {
	g.mu.Lock()
	g.workers = workers
	g.mu.Unlock()
	g.poke()
}

// endedMost is how many ended workers are remembered for gateways that have not
// been told of them.
const endedMost = 64

// Ends records that a worker has ended.
func (g *Links) Ends(e wire.Ended) {
	g.mu.Lock()
	g.ended = append(g.ended, e)
	g.ended = g.ended[max(0, len(g.ended)-endedMost):]
	g.endings++
	g.mu.Unlock()
	g.poke()
}

// endedSince lists the ended workers that a gateway has not been told of.
func (g *Links) endedSince(l *link) []wire.Ended {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(g.endings-l.endings, len(g.ended))
	l.endings = g.endings
	return slices.Clone(g.ended[len(g.ended)-n:])
}

// Certify sets the certificates that came with generation since, and has them sent.
func (g *Links) Certify(certificates []byte, since int) {
	g.mu.Lock()
	g.certificates, g.since = certificates, since
	g.mu.Unlock()
	g.poke()
}

// Own takes over the gateway's end of the socket of a worker that is about to
// start in a slot. It closes the socket of the slot's previous worker.
func (g *Links) Own(slot, fd int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if old, ok := g.conns[slot]; ok {
		unix.Close(old)
	}
	g.conns[slot] = fd
}

// HangUp ends the connection of the worker in a slot for all processes that hold
// the gateway's end.
func (g *Links) HangUp(slot int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if fd, ok := g.conns[slot]; ok {
		_ = unix.Shutdown(fd, unix.SHUT_RDWR) // fails if the worker has closed its end already
	}
}

// heldTime bounds how long a gateway may take to report what it has in flight.
const heldTime = time.Second

// Requests asks every gateway what it has in flight.
func (g *Links) Requests(ctx context.Context) (all []wire.InFlight) {
	g.asking.Lock()
	defer g.asking.Unlock()
	g.mu.Lock()
	links := slices.Clone(g.links)
	g.mu.Unlock()
	for _, l := range links {
		if l.closed {
			continue
		}
		select {
		case <-l.inFlight: // an answer that came too late for the previous question
		default:
		}
		if err := l.conn.Send(wire.ToGateway{Ask: true}, nil); err != nil {
			continue // the gateway is gone
		}
		late := time.NewTimer(heldTime)
		select {
		case held := <-l.inFlight:
			all = append(all, held...)
		case <-l.gone:
		case <-late.C:
		case <-ctx.Done():
		}
		late.Stop()
	}
	return all
}

func (g *Links) poke() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.links {
		select {
		case l.news <- struct{}{}:
		default:
		}
	}
}

// Close ends all links. The gateways must be gone.
func (g *Links) Close() {
	g.mu.Lock()
	for _, l := range g.links {
		l.conn.Hangup()
	}
	g.mu.Unlock()
	g.wg.Wait()
	for _, fd := range g.conns {
		unix.Close(fd)
	}
}

// hear reads a gateway's messages until it is gone.
func (g *Links) hear(l *link) {
	for {
		var m wire.FromGateway
		_, err := l.conn.Receive(&m)
		if errors.Is(err, gatewaylink.ErrMessage) {
			g.log.Error("the gateway sent an invalid message", "error", err)
			continue
		}
		if err != nil {
			break
		}
		if m.Answer {
			select {
			case l.inFlight <- m.InFlight:
			default: // nobody asked
			}
		}
		for _, i := range m.Idle {
			g.say.Idle(i.Slot, i.PID)
		}
		for _, w := range m.Stuck {
			g.say.Stuck(w)
		}
		for _, i := range m.Broken {
			g.say.Broken(i.Slot, i.PID)
		}
	}
	close(l.gone)
	g.mu.Lock()
	g.links = slices.DeleteFunc(g.links, func(x *link) bool { return x == l })
	g.mu.Unlock()
}

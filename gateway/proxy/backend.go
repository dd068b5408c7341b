// Package proxy is the backend of workers that speak HTTP/1.1 themselves: a
// command that listens at an address of its own. It keeps connections to every
// worker process alive and uses each for one request at a time.
package proxy

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/dispatch"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/gateway/tunnel"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// Options are a backend's settings. A zero field takes its default.
type Options struct {
	Loop  *loop.Loop        // that serves requests directly; may be nil
	Pool  *dispatch.Pool    // who takes the next request; Backend.Update updates it
	Board *scoreboard.Board // where to say what the workers do; may be nil
	Log   *slog.Logger

	DialTimeout     time.Duration // 5 s
	IdleConns       int           // kept for each worker at most; its capacity
	IdleTimeout     time.Duration // after which they are closed; 1 min
	MaxResponseHead int           // bytes; 64 KiB
	DrainTimeout    time.Duration // until tunnels of a draining worker are cut; 30 s

	// Timeout is how long a process may do nothing at all while a request waits
	// there; 0 means for ever. Backend.Look checks it.
	Timeout time.Duration
	// HealthPath is the path of the probe for a silent process; empty means
	// OPTIONS *.
	HealthPath string

	// Sockets is how many WebSockets a worker has besides its requests; with 0
	// they count as requests.
	Sockets int

	// HoldHung keeps the place of a request that was not answered in time: the
	// worker gets no other request for it, and looks hung on the scoreboard until
	// it is ended.
	HoldHung bool
}

func (o Options) withDefaults() Options {
	if o.DialTimeout <= 0 {
		o.DialTimeout = 5 * time.Second
	}
	if o.IdleTimeout <= 0 {
		o.IdleTimeout = time.Minute
	}
	if o.MaxResponseHead <= 0 {
		o.MaxResponseHead = 64 << 10
	}
	if o.DrainTimeout <= 0 {
		o.DrainTimeout = 30 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// unsentTries is how many workers in turn are tried if none takes a byte of the
// request: several may have crashed at once.
const unsentTries = 4

// A request that a worker has failed goes to another one; if there is none,
// it waits a moment for a process that may be about to end: until its sockets
// are closed, it looks alive.
const (
	retryPause = 50 * time.Millisecond
	retryTries = 6
)

// Backend carries requests to workers by HTTP/1.1. It implements
// gateway.Backend. Update with no workers closes all it has open.
type Backend struct {
	Options
	exchanges sync.Pool

	// The loop's.
	out                             []byte         // the request that is being written
	scratch                         []byte         // what is being read of a body
	said                            gateway.Answer // that is being handed to a client
	blocks                          blocks
	pooled                          []*response // to be used again
	dialing, unused, late, noBlocks *loop.Deadlines

	restarting atomic.Bool // WebSockets are closed as soon as they are open

	updating sync.Mutex
	workers  atomic.Pointer[map[int]*worker] // by slot; never changed, only replaced
}

// New makes a backend without workers. It is called before the loop runs.
func New(o Options) *Backend {
	b := &Backend{Options: o.withDefaults()}
	b.exchanges.New = func() any { return newRoundTrip(b) }
	b.workers.Store(&map[int]*worker{})
	b.prepareLoop()
	return b
}

// Update implements gateway.Backend. Idle connections to draining workers are
// closed, WebSockets are told that they go away.
func (b *Backend) Update(workers []gateway.Worker) {
	b.updating.Lock()
	defer b.updating.Unlock()
	old, set := *b.workers.Load(), make(map[int]*worker, len(workers))
	for _, spec := range workers {
		w := old[spec.Slot]
		if w == nil || w.pid != spec.PID {
			w = newWorker(b, spec)
		}
		set[spec.Slot] = w
	}
	// The pool never returns an unknown slot: new workers are added here before the
	// pool is updated, and old ones are removed afterwards.
	both := maps.Clone(old)
	maps.Copy(both, set)
	b.workers.Store(&both)
	b.Pool.Update(workers)
	b.workers.Store(&set)
	for _, spec := range workers {
		set[spec.Slot].update(spec)
	}
	for slot, w := range old {
		if set[slot] != w {
			w.vanish()
		}
	}
}

// Restart closes all WebSockets, and those that come later: the gateway stops.
func (b *Backend) Restart() {
	b.restarting.Store(true)
	for _, w := range *b.workers.Load() {
		w.eachTunnel(func(t *tunnel.Tunnel) {
			if t.WebSocket() {
				t.Drain(b.DrainTimeout)
			}
		})
	}
}

// Serve implements gateway.Backend.
func (b *Backend) Serve(ctx context.Context, r *gateway.Request, w gateway.Reply) error {
	if r.Upgrade == "websocket" && b.Sockets > 0 && !b.Pool.SocketRoom(b.Sockets) {
		return gateway.ErrNoCapacity // in the queue, others would wait behind it
	}
	x := b.exchanges.Get().(*roundTrip)
	defer x.recycle()
	if c, is := r.Begun.(*Call); is {
		r.Begun, x.begun = nil, c
		if c.over {
			r.Slot, r.WorkerPID = c.Worker()
			return c.complete(w)
		}
	}
	if err := x.prepare(ctx, r, w); err != nil {
		x.begun.Drop()
		return err
	}
	failed := r.WorkerPID
	for try := 1; ; {
		worker, err := x.place(failed)
		if err != nil {
			return err
		}
		r.WorkerPID, r.Slot = worker.pid, worker.slot
		err = x.carry(worker)
		var failure *gateway.WorkerError
		if try < unsentTries && errors.As(err, &failure) && failure.Unsent {
			try++
			continue
		}
		return err
	}
}

// place waits for a place at a worker, unless the loop already has one for the
// request. It avoids the worker that has failed the request.
func (x *roundTrip) place(failed int) (*worker, error) {
	b := x.b
	if c := x.begun; c != nil && c.worker != nil {
		if x.r.Resumed == nil { // else it is known
			x.r.QueueWait += c.waited
		}
		return c.worker, nil
	}
	for spare := retryTries; ; {
		slot, waited, err := x.acquire()
		x.r.QueueWait += waited
		if err != nil {
			return nil, err
		}
		worker := (*b.workers.Load())[slot]
		if worker == nil { // it has vanished since
			b.Pool.Release(slot)
			continue
		}
		if worker.pid != failed || spare == 0 {
			return worker, nil
		}
		spare--
		if err := b.retryElsewhere(x.ctx, slot); err != nil {
			return nil, err
		}
	}
}

func (x *roundTrip) acquire() (slot int, waited time.Duration, err error) {
	c := x.begun
	x.begun = nil
	switch {
	case c != nil && c.err != nil:
		return 0, 0, c.err
	case c != nil && c.stage == waits:
		return x.b.Pool.Wait(x.ctx, &c.waiter)
	}
	return x.b.Pool.Acquire(x.ctx)
}

// InFlight lists the requests whose answer is waited for.
func (b *Backend) InFlight() (all []wire.InFlight) {
	now := scoreboard.Now()
	for _, w := range *b.workers.Load() {
		for _, h := range w.ledger.inFlight(now) {
			h.Slot, h.PID = w.slot, w.pid
			all = append(all, h)
		}
	}
	return all
}

// retryElsewhere gives a place back that the worker in slot should not be used for, and
// waits a moment.
func (b *Backend) retryElsewhere(ctx context.Context, slot int) error {
	b.Pool.Release(slot)
	timer := time.NewTimer(retryPause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

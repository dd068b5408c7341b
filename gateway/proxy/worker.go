package proxy

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/tunnel"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
)

// A worker that refuses connections gets no request for a pause, which doubles with
// every refusal.
const (
	avoidFirst = 50 * time.Millisecond
	avoidMost  = time.Second
)

// worker is one worker process and the connections to it.
type worker struct {
	b    *Backend
	slot int
	life
	ledger ledger

	liveness liveness

	links loopConns // the loop's

	mu   sync.Mutex
	spec gateway.Worker
	workerConns
	tunnels  map[*tunnel.Tunnel]struct{}
	refusals int // in a row
	hung     int // requests that nobody waits for, and that the pool still counts
}

// life is the process and its end.
type life struct {
	pid  int
	gone atomic.Bool // the process has been reaped
	mute atomic.Bool // it does not react
	ctx  context.Context
	end  context.CancelFunc // of ctx, when the process has been reaped
}

// workerConns are the connections to a worker. Those of the loop are in links.
type workerConns struct {
	open   map[*workerConn]struct{}
	idle   []*workerConn // the one used last at the end
	sweep  *time.Timer   // runs while there are idle ones
	looped int           // how many the loop has
	keeps  atomic.Int32  // how many idle ones are worth keeping, here and on the loop
}

func newWorker(b *Backend, spec gateway.Worker) *worker {
	w := &worker{b: b, slot: spec.Slot, life: life{pid: spec.PID}, spec: spec, workerConns: workerConns{open: map[*workerConn]struct{}{}}, tunnels: map[*tunnel.Tunnel]struct{}{}}
	w.links.all = map[*loopConn]struct{}{}
	w.keeps.Store(int32(w.idleMost()))
	w.ctx, w.end = context.WithCancel(context.Background())
	var slot *scoreboard.Slot
	var account *scoreboard.Account
	if b.Board != nil && spec.Slot >= 0 && spec.Slot < scoreboard.Slots {
		slot, account = b.Board.Slot(spec.Slot), b.Board.Account(spec.Slot)
	}
	w.ledger.open(slot, account)
	return w
}

// update takes the worker's description again.
func (w *worker) update(spec gateway.Worker) {
	w.mu.Lock()
	began := spec.Draining && !w.spec.Draining
	w.spec = spec
	w.keeps.Store(int32(w.idleMost()))
	w.mu.Unlock()
	if spec.Draining {
		w.b.onLoop(w.closeIdleLinks)
		w.closeIdle(scoreboard.Now(), true)
	}
	if began {
		w.eachTunnel(func(t *tunnel.Tunnel) { t.Drain(w.b.DrainTimeout) })
	}
}

// vanish fails the requests of a process that has been reaped. What it had sent
// before is still read.
func (w *worker) vanish() {
	w.mu.Lock()
	w.gone.Store(true)
	w.keeps.Store(0)
	w.end()
	hung := w.hung
	w.mu.Unlock()
	for range hung {
		w.b.Pool.Release(w.slot)
	}
	w.ledger.close()
	w.b.onLoop(w.abandonLinks)
	w.closeIdle(scoreboard.Now(), true)
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.open {
		_ = c.SetDeadline(time.Unix(1, 0)) // wakes them up; conn.read goes on if there is more
	}
	if w.sweep != nil {
		w.sweep.Stop()
	}
}

// keepHung keeps a request with the worker, and its place in the pool, until
// the process has been reaped. It reports whether it has not been yet.
func (w *worker) keepHung(e *entry) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gone.Load() {
		return false
	}
	w.hung++
	w.ledger.keepHung(e)
	w.b.Pool.Hang(w.slot)
	return true
}

// take returns an idle connection, nil when there is none.
func (w *worker) take(now int64) *workerConn {
	w.mu.Lock()
	var old *workerConn
	defer func() {
		w.mu.Unlock()
		old.discard()
	}()
	n := len(w.idle)
	if n == 0 {
		return nil
	}
	c := w.idle[n-1]
	w.idle[n-1] = nil
	w.idle = w.idle[:n-1]
	if now >= c.expires {
		old = c // the others are older, but not always due: they are looked at in their turn
		return nil
	}
	c.reused, c.wrote = true, 0
	return c
}

// put keeps a connection for the next request, if it is of use.
func (w *worker) put(c *workerConn, now int64) {
	c.expires = now + int64(w.b.IdleTimeout)
	if c.keepAlive > 0 {
		c.expires = min(c.expires, now+int64(c.keepAlive))
	}
	w.mu.Lock()
	if len(w.idle) >= int(w.keeps.Load()) {
		w.mu.Unlock()
		c.discard()
		return
	}
	w.idle = append(w.idle, c)
	if len(w.idle) == 1 {
		if w.sweep == nil {
			w.sweep = time.AfterFunc(w.b.IdleTimeout, w.sweepIdle)
		} else {
			w.sweep.Reset(w.b.IdleTimeout)
		}
	}
	w.mu.Unlock()
}

func (w *worker) sweepIdle() { w.closeIdle(scoreboard.Now(), false) }

// closeIdle closes idle connections whose time has come, or all.
func (w *worker) closeIdle(now int64, all bool) {
	w.mu.Lock()
	var closing []*workerConn
	kept := w.idle[:0]
	for _, c := range w.idle {
		if all || now >= c.expires {
			closing = append(closing, c)
		} else {
			kept = append(kept, c)
		}
	}
	clear(w.idle[len(kept):])
	w.idle = kept
	if w.sweep != nil {
		if len(kept) > 0 {
			w.sweep.Reset(w.b.IdleTimeout)
		} else {
			w.sweep.Stop()
		}
	}
	w.mu.Unlock()
	for _, c := range closing {
		c.discard()
	}
}

// dial connects. Errors are *gateway.WorkerError, or the context's cause; the
// pool gives the worker nothing for a moment then.
func (w *worker) dial(ctx context.Context) (*workerConn, error) {
	w.mu.Lock()
	network, address := w.spec.Network, w.spec.Address
	w.mu.Unlock()
	nc, err := w.connect(ctx, network, address)
	if err == nil {
		var c *workerConn
		if c, err = newWorkerConn(w, nc); err == nil {
			w.register(c)
			return c, nil
		}
		nc.Close()
	}
	if cause := context.Cause(ctx); cause != nil {
		return nil, cause
	}
	w.avoid()
	return nil, &gateway.WorkerError{Slot: w.slot, PID: w.pid, Died: true, Unsent: true, Err: err}
}

// connect connects, and waits if a unix socket's backlog is full: connect(2) does
// not wait.
func (w *worker) connect(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: w.b.DialTimeout, KeepAlive: -1}
	deadline, pause := time.Now().Add(w.b.DialTimeout), time.Millisecond
	for {
		nc, err := d.DialContext(ctx, network, address)
		if !errors.Is(err, syscall.EAGAIN) || time.Now().After(deadline) {
			return nc, err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, context.Cause(ctx)
		}
		pause = min(2*pause, 50*time.Millisecond)
	}
}

func (w *worker) register(c *workerConn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refusals = 0
	w.open[c] = struct{}{}
	w.ledger.connections(len(w.open) + w.looped)
	if w.gone.Load() {
		_ = c.SetDeadline(time.Unix(1, 0))
	}
}

func (w *worker) forget(c *workerConn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.open, c)
	w.ledger.connections(len(w.open) + w.looped)
}

// linked adds n to the number of the loop's connections.
func (w *worker) linked(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looped += n
	w.ledger.connections(len(w.open) + w.looped)
}

// reached forgets that connections were refused.
func (w *worker) reached() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refusals = 0
}

// idleMost is how many idle connections are worth keeping.
func (w *worker) idleMost() int {
	switch {
	case w.spec.Draining || w.gone.Load():
		return 0
	case w.b.IdleConns > 0:
		return w.b.IdleConns
	}
	return w.spec.Capacity
}

// avoid makes the pool look for another worker.
func (w *worker) avoid() {
	w.mu.Lock()
	d := min(avoidFirst<<min(w.refusals, 10), avoidMost)
	w.refusals++
	w.mu.Unlock()
	w.b.Pool.Avoid(w.slot, d)
}

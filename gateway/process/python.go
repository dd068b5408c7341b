package process

import (
	"context"
	"slices"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/admission"
)

// WebSockets are asked for a sign of life as uvicorn asks.
const (
	pingInterval = 20 * time.Second
	pingTimeout  = 20 * time.Second
)

// attacher is a backend whose workers have a socket each.
type attacher interface {
	// Attach takes over the gateway's end of a worker's socket.
	Attach(slot, pid, fd int) error
}

// laner is a backend that reaches a worker on trial by a queue of its own.
type laner interface {
	// AttachLane takes over the gateway's end of the queue.
	AttachLane(slot, fd int) error
}

// update hands a list of workers and their sockets to the backend.
func (p *process) update(workers []gateway.Worker) {
	for i := range workers {
		w := &workers[i]
		if w.Page >= 0 {
			if err := p.from.Board.Attach(w.Slot, w.PID, w.Page); err != nil {
				p.log.Error("cannot see how a worker is", "pid", w.PID, "error", err)
			}
			w.Page = -1
		}
		if w.Conn < 0 || p.attacher == nil {
			continue
		}
		if err := p.attacher.Attach(w.Slot, w.PID, w.Conn); err != nil {
			p.log.Error("cannot reach a worker", "pid", w.PID, "error", err)
		}
		w.Conn = -1
		if with, is := p.backend.(laner); is && w.Lane >= 0 {
			if err := with.AttachLane(w.Slot, w.Lane); err != nil {
				p.log.Error("cannot reach the queue of a worker on trial", "pid", w.PID, "error", err)
			}
			w.Lane = -1
		}
	}
	p.showTrial(workers)
	taking := 0
	for _, w := range workers {
		if !w.Draining {
			taking++
		}
	}
	p.workers.Store(int64(taking))
	serving := slices.Clone(workers)
	p.serving.Store(&serving)
	p.backend.Update(workers)
}

// gate bounds what is with the workers of a shared queue by a pool whose one
// worker has all their places. It implements channel.Gate.
type gate struct{ pool *admission.Pool }

// Enter implements channel.Gate.
func (g *gate) Enter(ctx context.Context) error {
	_, _, err := g.pool.Acquire(ctx)
	return err
}

// Leave implements channel.Gate.
func (g *gate) Leave() { g.pool.Release(0) }

// Resize implements channel.Gate.
func (g *gate) Resize(n int) {
	if n > 0 {
		g.pool.Update([]gateway.Worker{{PID: 1, Capacity: n}})
	} else {
		g.pool.Update([]gateway.Worker{{PID: 1, Capacity: 0, Draining: true}})
	}
}

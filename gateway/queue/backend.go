// Package queue is the backend of sync and threaded Python workers: one
// SOCK_SEQPACKET socket that every idle worker receives from, so that the
// kernel is the dispatcher.
package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/channel"
	"golang.org/x/sys/unix"
)

// ahead is how many requests a worker may find in the kernel's queue when it
// has finished one: enough that it need not wait for the gateway, and few
// enough that a client who leaves is noticed in time.
const ahead = 2

// retry is when a message is tried again for which the kernel's queue had no room.
const retry = 5 * time.Millisecond

// Backend implements gateway.Backend.
type Backend struct {
	env      *channel.Env
	gate     channel.Gate
	registry *channel.Registry

	sending chan struct{} // holds one element while nobody sends
	room    chan struct{} // has one element when a message may have left the queue

	mu      sync.Mutex
	queue   *channel.Conn
	far     int    // the workers' end of it, to take back what they have not taken; -1 without
	closed  bool   // no worker will take anything any more
	app     string // interface of the app, "" until a worker has said
	members map[int]*member
	links   map[*channel.Link]bool // from Attach until Closed, also of workers that are gone
	order   uint64                 // of the last message sent
	taken   uint64                 // a worker is known to have taken this one, and so all before it
	doubt   doubt
	onIdle  func(slot, pid int) // a worker on trial that leaves has nothing in hand; may be nil
}

// member is a worker as far as it is known: from Update, from Attach, or both.
type member struct {
	worker gateway.Worker
	known  bool // Update has it
	link   *channel.Link
	ready  bool // it has said hello
	lane   lane // while it is on trial
}

// New makes a backend without workers. The gate, which may be nil, bounds what
// is with the workers at once.
func New(env *channel.Env, gate channel.Gate) *Backend {
	if gate == nil {
		gate = new(channel.Places)
	}
	b := &Backend{env: env, gate: gate, registry: channel.NewRegistry(env), members: map[int]*member{}, far: -1,
		links:   map[*channel.Link]bool{},
		sending: make(chan struct{}, 1), room: make(chan struct{}, 1)}
	b.sending <- struct{}{}
	return b
}

// AttachQueue takes over both ends of the queue, the gateway's and the
// workers'. It is called once, before the first Serve.
func (b *Backend) AttachQueue(near, far int) error {
	conn, err := channel.NewConn(near)
	if err != nil {
		return fmt.Errorf("attach queue: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queue, b.far = conn, far
	return nil
}

// Attach takes over the gateway's end of the socket on which the worker in a
// slot answers.
func (b *Backend) Attach(slot, pid, fd int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	link, err := channel.NewLink(fd, slot, pid, b.registry, owner{b})
	if err != nil {
		return fmt.Errorf("attach worker pid %d: %w", pid, err)
	}
	m := b.member(slot)
	if old := m.link; old != nil {
		old.Finish() // its worker is gone, or the slot were not another's
	}
	m.link, m.ready = link, false
	b.links[link] = true
	return nil
}

// Update implements gateway.Backend.
func (b *Backend) Update(workers []gateway.Worker) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.members {
		if m.known {
			m.known = false
			m.worker.Capacity = -1 // until it is seen again
		}
	}
	for _, w := range workers {
		m := b.member(w.Slot)
		m.worker, m.known = w, true
	}
	for slot, m := range b.members {
		if m.worker.Capacity < 0 {
			delete(b.members, slot)
			m.lane.close()
			if m.link != nil {
				m.link.Finish() // what it has answered is still to be read
			} else {
				b.doubt.until = b.order // it may have gone on taking after its link was closed
				go b.look()
			}
		}
	}
	b.resize()
	b.reportIdle()
}

func (b *Backend) member(slot int) *member {
	m := b.members[slot]
	if m == nil {
		m = &member{}
		b.members[slot] = m
	}
	return m
}

// resize tells the gate what the workers take.
func (b *Backend) resize() {
	n := 0
	for _, m := range b.members {
		if m.known && m.ready && !m.worker.Draining && m.lane.queue == nil {
			n += max(m.worker.Capacity, 1) + ahead
		}
	}
	b.gate.Resize(n)
}

// Serve implements gateway.Backend.
func (b *Backend) Serve(ctx context.Context, r *gateway.Request, w gateway.Reply) error {
	began := time.Now()
	if m := b.onTrial(); m != nil {
		if taken, err := b.try(ctx, m, r, w); taken {
			return err
		}
	}
	if err := b.gate.Enter(ctx); err != nil {
		return err
	}
	r.QueueWait += time.Since(began)
	b.mu.Lock()
	app := b.app
	b.mu.Unlock()
	if refused, err := channel.Refuse(r, w, app); refused {
		b.gate.Leave()
		return err
	}
	x := b.registry.New(r, w, b.ended)
	post, err := x.Post(app)
	if err == nil {
		defer post.Close()
		err = post.Send(func(p []byte, fds ...int) error { return b.send(ctx, x, p, fds...) })
	}
	if err != nil {
		b.registry.Forget(x)
		b.gate.Leave()
		return err
	}
	return x.Run(ctx)
}

// ended frees the place of a request whose worker is done with it.
func (b *Backend) ended(x *channel.Exchange) {
	b.mu.Lock()
	b.taken = max(b.taken, x.Order.Load())
	b.mu.Unlock()
	b.gate.Leave()
	select {
	case b.room <- struct{}{}:
	default:
	}
}

// send puts a message into the queue. Messages are numbered in the order in
// which they go in, which is that in which they come out.
func (b *Backend) send(ctx context.Context, x *channel.Exchange, p []byte, fds ...int) error {
	for {
		select {
		case <-b.sending:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		b.mu.Lock()
		queue, closed := b.queue, b.closed
		x.Order.Store(b.order + 1)
		b.mu.Unlock()
		if queue == nil || closed {
			b.sending <- struct{}{}
			return gateway.ErrNoCapacity
		}
		err := queue.TrySend(p, fds...)
		if err == nil {
			b.mu.Lock()
			b.order++
			b.mu.Unlock()
		} else {
			x.Order.Store(0) // the next message sent gets the number
		}
		b.sending <- struct{}{}
		if !errors.Is(err, channel.ErrFull) {
			return err
		}
		again := time.NewTimer(retry)
		select {
		case <-b.room:
		case <-again.C:
		case <-ctx.Done():
		}
		again.Stop()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// Held lists the requests in hand, for a diagnosis.
func (b *Backend) Held() []channel.Held {
	now := time.Now()
	b.mu.Lock()
	claimed := b.claims()
	b.mu.Unlock()
	var all []channel.Held
	for _, x := range b.registry.Open() {
		h := x.Held(now)
		if link := claimed[x.Number]; link != nil {
			h.Slot, h.PID = link.Slot, link.PID
		}
		all = append(all, h)
	}
	return all
}

// Waiting counts the requests in the kernel's queue that no worker has taken,
// and says how long the first of them has waited there.
func (b *Backend) Waiting() (n int, oldest time.Duration) {
	b.mu.Lock()
	claimed := b.claims()
	b.mu.Unlock()
	now := time.Now()
	for _, x := range b.registry.Open() {
		if x.Link() == nil && claimed[x.Number] == nil && !x.Abandoned() {
			n++
			oldest = max(oldest, now.Sub(x.Sent))
		}
	}
	return n, oldest
}

// Close hangs up on all workers; what they hold fails.
func (b *Backend) Close() {
	b.mu.Lock()
	for _, m := range b.members {
		m.lane.close()
	}
	links, queue, far := b.allLinks(), b.queue, b.far
	b.members, b.queue, b.far = map[int]*member{}, nil, -1
	b.doubt.stop()
	b.mu.Unlock()
	for _, l := range links {
		l.Close()
	}
	if queue != nil {
		_ = queue.Close()
	}
	if far >= 0 {
		unix.Close(far)
	}
}

func (b *Backend) allLinks() []*channel.Link {
	all := make([]*channel.Link, 0, len(b.links))
	for l := range b.links {
		all = append(all, l)
	}
	return all
}

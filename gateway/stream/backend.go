// Package stream is the backend of event-loop Python workers: one socket a
// worker, requests and answers of all its exchanges in turn, several in a
// message.
package stream

import (
	"context"
	"fmt"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/channel"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
)

// Backend implements gateway.Backend.
type Backend struct {
	pool     pool
	registry *channel.Registry
}

// New makes a backend without workers. A worker whose loop has not run for
// stallAfter gets no requests; 0 is never. At most size requests wait for a
// worker, each for timeout; 0 is no bound of time.
func New(env *channel.Env, stallAfter time.Duration, size int, timeout time.Duration) *Backend {
	return &Backend{
		pool:     pool{env: env, stallAfter: stallAfter, size: size, timeout: timeout, members: map[int]*member{}},
		registry: channel.NewRegistry(env),
	}
}

// LimitSockets gives WebSockets places of their own: so many at each worker,
// besides its requests. With 0 they count as requests. It is set before the
// first worker is attached.
func (b *Backend) LimitSockets(n int) { b.pool.sockets = n }

// Waiting says how many requests wait for a worker, and how long the first of
// them has.
func (b *Backend) Waiting() (n int, oldest time.Duration) { return b.pool.queued() }

// Look notices stalls; it is called from time to time.
func (b *Backend) Look() { b.pool.look() }

// Attach takes over the gateway's end of the socket of the worker in a slot.
func (b *Backend) Attach(slot, pid, fd int) error {
	p := &b.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	link, err := channel.NewLink(fd, slot, pid, b.registry, owner{b})
	if err != nil {
		return fmt.Errorf("attach worker pid %d: %w", pid, err)
	}
	old := p.members[slot]
	m := &member{link: link}
	if old != nil {
		m.worker, m.known = old.worker, old.known
		if old.link != nil {
			old.link.Finish() // its worker is gone, or the slot were not another's
		}
	}
	p.members[slot] = m
	return nil
}

// Detach forgets the worker in a slot; what it held fails.
func (b *Backend) Detach(slot int) {
	p := &b.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := p.members[slot]; m != nil {
		delete(p.members, slot)
		if m.link != nil {
			m.link.Hangup() // Closed does the rest
		}
	}
}

// Update implements gateway.Backend.
func (b *Backend) Update(workers []gateway.Worker) {
	p := &b.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	now := map[int]bool{}
	for _, w := range workers {
		now[w.Slot] = true
		m := p.members[w.Slot]
		if m == nil {
			m = &member{}
			p.members[w.Slot] = m
		}
		m.worker, m.known = w, true
	}
	for slot, m := range p.members {
		if m.known && !now[slot] {
			delete(p.members, slot)
			if m.link != nil {
				m.link.Finish() // what it has answered is still to be read
			}
		}
	}
	p.admit()
}

// Serve implements gateway.Backend.
func (b *Backend) Serve(ctx context.Context, r *gateway.Request, w gateway.Reply) error {
	began := time.Now()
	socket := r.Upgrade == "websocket"
	m, err := b.pool.enter(ctx, socket)
	if err != nil {
		return err
	}
	r.QueueWait += time.Since(began)
	at := &place{m: m, socket: socket}
	link, app := b.pool.reach(m)
	if link == nil { // it hung up at this moment
		b.pool.posted(m, nil)
		b.pool.leave(at)
		return b.Serve(ctx, r, w)
	}
	if refused, err := channel.Refuse(r, w, app); refused {
		b.pool.posted(m, link)
		b.pool.leave(at)
		return err
	}
	x := b.registry.New(r, w, func(*channel.Exchange) { b.pool.leave(at) })
	x.Upgraded = func() { b.pool.upgraded(at) }
	done, err := x.Submit(ctx, link, app)
	there := b.pool.posted(m, link)
	if err != nil {
		b.registry.Forget(x)
		b.pool.leave(at)
		return err
	}
	defer done()
	if !there { // it hung up meanwhile, and Closed may not have seen x
		b.registry.Fail(x, died(link))
	}
	err = x.Run(ctx)
	if socket {
		b.registry.Over(x) // the place is free, whatever the app of a WebSocket does without its client
	}
	return err
}

// TakeNoMore ends waiting for a worker: who waits, and who comes, gets
// gateway.ErrNoCapacity.
func (b *Backend) TakeNoMore() { b.pool.close() }

// Held lists the requests in hand, for a diagnosis.
func (b *Backend) Held() []channel.Held {
	now := time.Now()
	var all []channel.Held
	for _, x := range b.registry.Open() {
		all = append(all, x.Held(now))
	}
	return all
}

// Close hangs up on all workers; what they hold fails.
func (b *Backend) Close() {
	p := &b.pool
	p.mu.Lock()
	var links []*channel.Link
	for _, m := range p.members {
		if m.link != nil {
			links = append(links, m.link)
		}
	}
	if p.timer != nil {
		p.timer.Stop()
	}
	p.mu.Unlock()
	for _, l := range links {
		l.Close()
	}
}

// owner makes Backend a channel.Owner without showing the methods.
type owner struct{ *Backend }

// Hello implements channel.Owner.
func (o owner) Hello(l *channel.Link, h channel.Hello) {
	p := &o.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := p.members[l.Slot]; m != nil && m.link == l {
		m.app = h.Interface
		p.admit()
	}
}

// GoAway implements channel.Owner. The answer goes behind every request that
// has been given to the worker.
func (o owner) GoAway(l *channel.Link) {
	p := &o.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.members[l.Slot]
	if m == nil || m.link != l {
		return
	}
	if m.away = true; m.coming == 0 {
		l.Drained()
	}
}

// Closed implements channel.Owner: what the worker had fails.
func (o owner) Closed(l *channel.Link, _ error) {
	l.Hangup()
	p := &o.pool
	var hung time.Time // since when; zero if the worker did not hang
	p.mu.Lock()
	if m := p.members[l.Slot]; m != nil && m.link == l {
		if lag := p.lag(m, scoreboard.Now()); m.warned || lag > hang {
			hung = time.Now().Add(-lag)
		}
		m.link, m.app = nil, ""
		if !m.known {
			delete(p.members, l.Slot)
		}
	}
	p.mu.Unlock()
	for _, x := range o.registry.Open() {
		if x.Link() == l {
			err := died(l)
			// What came well after the last heartbeat is not what held the loop up.
			err.Hung = !hung.IsZero() && x.Sent.Before(hung.Add(hesitant))
			o.registry.Fail(x, err)
		}
	}
}

func died(l *channel.Link) *gateway.WorkerError {
	return &gateway.WorkerError{Slot: l.Slot, PID: l.PID, Died: true, Err: channel.ErrDied}
}

package queue

import (
	"context"
	"fmt"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/admission"
	"github.com/gonicorn/gonicorn/gateway/channel"
)

// lane is how a worker on trial gets its share of the requests. Nobody can say
// which worker takes what is in the shared queue: so it has a queue of its own,
// in which there is never more than it can take at once.
type lane struct {
	queue *channel.Conn // nil where the worker takes from the shared queue
	share admission.Share
	held  int  // requests in its hands
	told  bool // it leaves, and onIdle was called
}

func (l *lane) close() {
	if l.queue != nil {
		_ = l.queue.Close()
	}
}

// OnIdle has f called once of a worker on trial that leaves and has nothing in
// hand any more. f must not wait. It is set before the first Update.
func (b *Backend) OnIdle(f func(slot, pid int)) { b.onIdle = f }

// AttachLane takes over the gateway's end of the queue of the worker on trial in
// a slot.
func (b *Backend) AttachLane(slot, fd int) error {
	conn, err := channel.NewConn(fd)
	if err != nil {
		return fmt.Errorf("attach lane: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.member(slot)
	m.lane.close()
	m.lane = lane{queue: conn}
	b.resize()
	return nil
}

// onTrial counts a request, and returns the worker on trial, with a place taken,
// when the request is its.
func (b *Backend) onTrial() *member {
	b.mu.Lock()
	defer b.mu.Unlock()
	var trial *member
	alone := true
	for _, m := range b.members {
		switch {
		case !m.known || !m.ready || m.link == nil || m.worker.Draining:
		case m.lane.queue != nil:
			trial = m
		default:
			alone = false
		}
	}
	if trial == nil {
		return nil
	}
	l := &trial.lane
	l.share.Count(trial.worker.Share)
	if l.held >= max(trial.worker.Capacity, 1) || !alone && !l.share.Due() {
		return nil
	}
	if !alone {
		l.share.Take()
	}
	l.held++
	return trial
}

// try has the worker on trial answer a request. It reports whether it got it.
func (b *Backend) try(ctx context.Context, m *member, r *gateway.Request, w gateway.Reply) (taken bool, err error) {
	b.mu.Lock()
	link, queue, app := m.link, m.lane.queue, b.app
	b.mu.Unlock()
	if refused, err := channel.Refuse(r, w, app); refused || link == nil {
		b.leave(m)
		return refused, err
	}
	x := b.registry.New(r, w, func(*channel.Exchange) { b.leave(m) })
	x.SetLink(link)
	post, err := x.Post(app)
	if err == nil {
		defer post.Close()
		err = post.Send(func(p []byte, fds ...int) error { return queue.TrySend(p, fds...) })
	}
	if err != nil { // full, or about to end: another worker takes it
		b.registry.Forget(x)
		b.leave(m)
		return false, nil //nolint:nilerr // the shared queue says what is wrong, if anything is
	}
	b.mu.Lock()
	there := m.link == link
	b.mu.Unlock()
	if !there { // it hung up meanwhile, and Closed may not have seen x
		b.registry.Fail(x, died(link))
	}
	return true, x.Run(ctx)
}

// leave frees a place at the worker on trial.
func (b *Backend) leave(m *member) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m.lane.held--
	b.reportIdle()
}

// reportIdle tells of workers on trial that leave and have nothing in hand.
func (b *Backend) reportIdle() {
	for _, m := range b.members {
		if m.lane.queue != nil && m.known && m.worker.Draining && m.lane.held == 0 && !m.lane.told {
			m.lane.told = true
			if b.onIdle != nil {
				b.onIdle(m.worker.Slot, m.worker.PID)
			}
		}
	}
}

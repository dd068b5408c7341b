package queue

import (
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/channel"
)

// A worker that dies may have taken a request from the queue without having
// claimed it yet, and nobody says so. A request is lost when all of this was
// seen, in this order:
//
//  1. It has left the queue: a later message was taken, or the queue is empty.
//  2. Of every worker, each thread was once not between taking and claiming.
//  3. All that these workers had sent by then was read.
//  4. Neither has any worker claimed it nor has anybody answered.
//
// There is no time in it: a worker that is stopped with a request in its hand
// keeps it until it goes on, or dies.
const (
	lookSoon  = 2 * time.Millisecond  // while workers are asked
	lookLater = 50 * time.Millisecond // while requests may still be in the queue
)

// doubt is the search for lost requests. It begins when a worker dies.
type doubt struct {
	until uint64 // messages sent up to here may have been taken by a dead worker
	asked *inquest
	timer *time.Timer
}

func (d *doubt) stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
}

// inquest is about requests that have left the queue and that nobody has
// claimed.
type inquest struct {
	about     []*channel.Exchange
	witnesses map[*channel.Link]*witness // those still to be heard
}

// witness is a worker that may have the request, or have answered it.
type witness struct {
	asked  bool
	taking map[int]bool // threads that have been between taking and claiming at every look
}

// look carries the search on.
func (b *Backend) look() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.doubt.stop()
	if b.queue == nil {
		return
	}
	again := time.Duration(0)
	if b.doubt.asked == nil {
		about, rest := b.missing()
		if rest {
			again = lookLater
		}
		if len(about) > 0 {
			b.doubt.asked = b.newInquest(about)
		}
	}
	if b.doubt.asked != nil {
		again = lookSoon
		if b.hear(b.doubt.asked) {
			lost := b.unclaimed(b.doubt.asked.about)
			b.doubt.asked = nil
			go func() {
				for _, x := range lost {
					b.registry.Fail(x, &gateway.WorkerError{Died: true, Err: channel.ErrDied})
				}
			}()
		}
	}
	if again > 0 {
		b.doubt.timer = time.AfterFunc(again, b.look)
	}
}

// missing lists the requests that have left the queue and that nobody has
// claimed. rest says that others may still be in the queue.
func (b *Backend) missing() (gone []*channel.Exchange, rest bool) {
	unsent, err := b.queue.Unsent()
	empty, taken := err == nil && unsent == 0, b.taken
	open, claimed := b.registry.Open(), b.claims()
	for _, x := range open {
		if x.Link() != nil || claimed[x.Number] != nil {
			taken = max(taken, x.Order.Load())
		}
	}
	for _, x := range open {
		switch order := x.Order.Load(); {
		case order == 0 || order > b.doubt.until || x.Link() != nil || claimed[x.Number] != nil:
		case order <= taken || empty:
			gone = append(gone, x)
		default:
			rest = true
		}
	}
	return gone, rest
}

// unclaimed are those of the requests that are open and that nobody has.
func (b *Backend) unclaimed(all []*channel.Exchange) (lost []*channel.Exchange) {
	claimed := b.claims()
	for _, x := range all {
		if x.Link() == nil && claimed[x.Number] == nil {
			lost = append(lost, x)
		}
	}
	return lost
}

func (b *Backend) newInquest(about []*channel.Exchange) *inquest {
	q := &inquest{about: about, witnesses: map[*channel.Link]*witness{}}
	for l := range b.links {
		q.witnesses[l] = &witness{}
	}
	return q
}

// hear asks the witnesses, and reports whether all have been heard.
func (b *Backend) hear(q *inquest) bool {
	q.about = b.unclaimed(q.about)
	if len(q.about) == 0 {
		return true
	}
	for l, w := range q.witnesses {
		if !b.links[l] || w.heard(b.env.Board, l) && l.Settled() {
			delete(q.witnesses, l)
		}
	}
	return len(q.witnesses) == 0
}

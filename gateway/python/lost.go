package python

import (
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/gateway/python/link"
	"github.com/gonicorn/gonicorn/gateway/shm"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
	"github.com/gonicorn/gonicorn/internal/wire"
	"golang.org/x/sys/unix"
)

// A worker that dies may have taken a token from the shared pipe without having
// claimed its request yet, and nobody says so. A request is lost when all of this
// was seen, in this order:
//
//  1. Its token has left the pipe.
//  2. Of every worker, each thread was once not between taking and claiming.
//  3. No worker has claimed it.
//  4. All that the workers had sent by then was read, and it is not answered.
//
// The order counts: who has begun it has claimed it until its answer is sent.
// There is no time in it: a worker that is stopped with a request in its hand
// keeps it until it goes on, or dies. Claims are the worker's word: an app may
// have seen a lost request, so it counts as one that a worker has died with.
const (
	lookSoon  = 2 * time.Millisecond  // while workers are asked
	lookLater = 50 * time.Millisecond // while requests may still be in the pipe
)

// doubt is the search for lost requests. It begins when a worker dies.
type doubt struct {
	until uint64 // tokens sent up to here may have been taken by a dead worker
	asked *inquest
	timer *loop.Timer
}

// inquest is about requests that have left the pipe and that nobody has claimed.
type inquest struct {
	about     []suspect
	heard     bool                    // what is left is unclaimed: answers may be on their way
	witnesses map[*link.Link]*witness // those still to be heard
}

// suspect is a request that may be lost. A connection uses its call again: the
// number says whether it is still the same request.
type suspect struct {
	call   *call
	number uint64
}

// witness is a worker that may have the request, or have answered it.
type witness struct {
	asked  bool
	taking map[int]bool // threads that have been between taking and claiming at every look
}

// seek carries the search on.
func (b *Backend) seek() {
	b.doubt.timer.Stop()
	b.doubt.timer = nil
	later := time.Duration(0)
	if b.doubt.asked == nil {
		about, rest := b.missing()
		if rest {
			later = lookLater
		}
		if len(about) > 0 {
			b.doubt.asked = b.newInquest(about)
		}
	}
	if b.doubt.asked != nil {
		later = lookSoon
		if b.hear(b.doubt.asked) {
			about := b.doubt.asked.about
			b.doubt.asked = nil
			for _, s := range about {
				if b.open(s) {
					b.lose(&member{}, s.call, 0)
				}
			}
		}
	}
	if later > 0 {
		b.doubt.timer = b.loop.After(later, b.seek)
	}
}

// missing lists the requests that have left the pipe and that nobody has claimed.
// rest says that others may still be in the pipe.
func (b *Backend) missing() (gone []suspect, rest bool) {
	taken := b.shared.sent - uint64(b.shared.unread())
	claimed := b.claims()
	for _, c := range b.calls {
		switch {
		case c == nil || c.order == 0 || c.order > b.doubt.until || b.has(c, claimed):
		case c.order <= taken:
			gone = append(gone, suspect{c, c.number})
		default:
			rest = true
		}
	}
	return gone, rest
}

// has reports whether a worker is known to have the request.
func (b *Backend) has(c *call, claimed map[uint64]bool) bool {
	return c.worker != nil || claimed[c.number] || c.exchange != nil && c.exchange.Link() != nil
}

// claims are the numbers of the requests that workers have claimed.
func (b *Backend) claims() map[uint64]bool {
	all := map[uint64]bool{}
	for l := range b.links {
		for _, number := range claimsOf(b.env.Board, l) {
			all[number] = true
		}
	}
	return all
}

// unclaimed are those of the requests that are open and that nobody has.
func (b *Backend) unclaimed(all []suspect) (lost []suspect) {
	claimed := b.claims()
	for _, s := range all {
		if b.open(s) && !claimed[s.number] {
			lost = append(lost, s)
		}
	}
	return lost
}

// open reports whether a request is with the workers, and none of them has said
// anything of it.
func (b *Backend) open(s suspect) bool {
	c := s.call
	return c.number == s.number && c.stage == given && b.calls[c.slot] == c && !b.has(c, nil)
}

func (b *Backend) newInquest(about []suspect) *inquest {
	q := &inquest{about: about}
	q.callAll(b)
	return q
}

// callAll makes all workers witnesses.
func (q *inquest) callAll(b *Backend) {
	q.witnesses = map[*link.Link]*witness{}
	for l := range b.links {
		q.witnesses[l] = &witness{}
	}
}

// hear asks the witnesses, and reports whether all has been heard.
func (b *Backend) hear(q *inquest) bool {
	if q.about = b.unclaimed(q.about); !q.heard {
		q.excuse(func(l *link.Link, w *witness) bool { return b.links[l] == nil || w.heard(b.env.Board, l) })
		if len(q.witnesses) > 0 && len(q.about) > 0 {
			return false
		}
		q.about, q.heard = b.unclaimed(q.about), true
		q.callAll(b)
	}
	q.excuse(func(l *link.Link, _ *witness) bool {
		m := b.links[l]
		return m == nil || l.Settled() && m.settled()
	})
	return len(q.witnesses) == 0 || len(q.about) == 0
}

// excuse lets those witnesses go that have said all.
func (q *inquest) excuse(said func(*link.Link, *witness) bool) {
	for l, w := range q.witnesses {
		if said(l, w) {
			delete(q.witnesses, l)
		}
	}
}

// settled reports whether all tokens that the worker has written were read.
func (m *member) settled() bool {
	if m.done < 0 {
		return true
	}
	n, err := unix.IoctlGetInt(m.done, fionread)
	return err != nil || n == 0
}

// heard reports whether each of the worker's threads has been seen where it
// holds no request that it has not claimed. A slot that is another's by now
// says nothing: the worker is dead then, and its link closes.
func (w *witness) heard(board *scoreboard.Board, l *link.Link) bool {
	if board == nil || l.Slot < 0 || l.Slot >= scoreboard.Slots {
		return true
	}
	if pid := board.Owner(l.Slot); pid != 0 && pid != l.PID {
		return false
	}
	slot := board.Slot(l.Slot)
	if !w.asked {
		w.asked, w.taking = true, map[int]bool{}
		for i := range slot.Claim {
			if slot.Claim[i].ID.Load() == scoreboard.Taking {
				w.taking[i] = true
			}
		}
		return len(w.taking) == 0
	}
	for i := range w.taking {
		if slot.Claim[i].ID.Load() != scoreboard.Taking {
			delete(w.taking, i)
		}
	}
	return len(w.taking) == 0
}

// kick writes a token that is no request where others wait. The kernel wakes one
// worker for a token: when that one died before it took it, this wakes another.
func (b *Backend) kick() {
	if b.shared.unread() > 0 {
		b.shared.sent++
		b.shared.out = shm.Wake.Append(b.shared.out)
	}
}

// takeNoMore ends waiting, and takes back what is in the shared pipe, so that no
// worker begins it later.
func (b *Backend) takeNoMore() {
	b.taking = false
	for p := b.waiting.First(); p != nil; p = b.waiting.First() {
		c := p.Of
		b.stopWaiting(c)
		b.fail(c, gateway.ErrNoCapacity)
	}
	if b.shared == nil {
		return
	}
	b.flush()
	for p := b.shared.take(b.tokens); p != nil; p = b.shared.take(b.tokens) {
		for ; len(p) > 0; p = p[shm.TokenSize:] {
			t := shm.ReadToken(p)
			c := b.calls[t.Request()%len(b.calls)]
			if c == nil || !t.Of(c.number) || c.stage != given {
				continue
			}
			if c.exchange == nil {
				b.promote(c)
				c = b.calls[c.slot]
			}
			b.end(c)
			b.registry.Fail(c.exchange, gateway.ErrNoCapacity)
		}
	}
}

// held lists the requests in hand.
func (b *Backend) held() (all []wire.Held) {
	now := time.Now()
	by := map[uint64]*link.Link{}
	for l := range b.links {
		for _, number := range claimsOf(b.env.Board, l) {
			by[number] = l
		}
	}
	add := func(h wire.Held) {
		if link := by[h.Number]; link != nil {
			h.Slot, h.PID = link.Slot, link.PID
		}
		all = append(all, h)
	}
	for _, x := range b.registry.Open() {
		add(x.Held(now))
	}
	for _, c := range b.calls {
		if c == nil || c.exchange != nil {
			continue
		}
		r := c.request
		h := wire.Held{Number: c.number, ID: r.ID, Method: r.Method, Path: r.Path, Age: now.Sub(c.sent), Begun: c.begun}
		if c.worker != nil {
			h.Slot, h.PID = c.worker.worker.Slot, c.worker.pid
		}
		add(h)
	}
	return all
}

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

// A worker that dies may have taken a token from the shared pipe before it claimed
// the request, and nothing says so. A request is lost when all of this has been
// seen, in this order:
//
//  1. Its token has left the pipe.
//  2. Every thread of every worker has been seen at least once outside the moment
//     between taking a token and claiming its request.
//  3. No worker has claimed the request.
//  4. Everything the workers had sent by then has been read, and the request is
//     not answered.
//
// The order matters: a worker that has begun a request keeps its claim until the
// answer is sent. No timeout is involved: a worker that is stopped in between keeps
// the request until it continues or dies. Claims are written by workers, and cannot be
// relied on: an app may have seen a lost request. So a lost request fails as if its
// worker had died.
const (
	lookSoon  = 2 * time.Millisecond  // while workers are checked
	lookLater = 50 * time.Millisecond // while requests may still be in the pipe
)

// lostSearch is the search for lost requests. It starts when a worker dies.
type lostSearch struct {
	until uint64 // tokens sent up to here may have been taken by a dead worker
	check *lossCheck
	timer *loop.Timer
}

// lossCheck finds out which requests are lost, among those that have left the pipe and
// that no worker has claimed.
type lossCheck struct {
	candidates []candidate
	claimsRead bool                        // the candidates are unclaimed, but answers may still come
	pending    map[*link.Link]*workerCheck // workers still to be checked
}

// candidate is a request that may be lost. A connection uses its call again; the number
// says whether it is still the same request.
type candidate struct {
	call   *call
	number uint64
}

// workerCheck is the check of one worker that may have a request, or have answered it.
type workerCheck struct {
	asked  bool         // the worker was checked at least once
	taking map[int]bool // threads that were between taking and claiming at every check
}

// searchLost does the next step of the search. A timer calls it again while there is
// more to do.
func (b *Backend) searchLost() {
	b.search.timer.Stop()
	b.search.timer = nil
	later := time.Duration(0)
	if b.search.check == nil {
		about, rest := b.missing()
		if rest {
			later = lookLater
		}
		if len(about) > 0 {
			b.search.check = b.newLossCheck(about)
		}
	}
	if b.search.check != nil {
		later = lookSoon
		if b.check(b.search.check) {
			about := b.search.check.candidates
			b.search.check = nil
			for _, s := range about {
				if b.open(s) {
					b.lose(&member{}, s.call, 0)
				}
			}
		}
	}
	if later > 0 {
		b.search.timer = b.loop.After(later, b.searchLost)
	}
}

// missing lists the requests that have left the pipe and that no worker has claimed.
// rest says that others are still in the pipe.
func (b *Backend) missing() (gone []candidate, rest bool) {
	taken := b.shared.sent - uint64(b.shared.unread())
	claimed := b.claims()
	for _, c := range b.calls {
		switch {
		case c == nil || c.order == 0 || c.order > b.search.until || b.has(c, claimed):
		case c.order <= taken:
			gone = append(gone, candidate{c, c.number})
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

// claims returns the numbers of the requests that workers have claimed.
func (b *Backend) claims() map[uint64]bool {
	all := map[uint64]bool{}
	for l := range b.links {
		for _, number := range claimsOf(b.env.Board, l) {
			all[number] = true
		}
	}
	return all
}

// unclaimed returns the requests of all that are open and that no worker has claimed.
func (b *Backend) unclaimed(all []candidate) (lost []candidate) {
	claimed := b.claims()
	for _, s := range all {
		if b.open(s) && !claimed[s.number] {
			lost = append(lost, s)
		}
	}
	return lost
}

// open reports whether a request was given to the workers, and none of them is known to
// have it.
func (b *Backend) open(s candidate) bool {
	c := s.call
	return c.number == s.number && c.stage == given && b.calls[c.slot] == c && !b.has(c, nil)
}

func (b *Backend) newLossCheck(about []candidate) *lossCheck {
	q := &lossCheck{candidates: about}
	q.askAll(b)
	return q
}

// askAll starts to check all workers.
func (q *lossCheck) askAll(b *Backend) {
	q.pending = map[*link.Link]*workerCheck{}
	for l := range b.links {
		q.pending[l] = &workerCheck{}
	}
}

// check checks the pending workers. It reports whether the loss check is complete.
func (b *Backend) check(q *lossCheck) bool {
	if q.candidates = b.unclaimed(q.candidates); !q.claimsRead {
		q.drop(func(l *link.Link, w *workerCheck) bool { return b.links[l] == nil || w.seen(b.env.Board, l) })
		if len(q.pending) > 0 && len(q.candidates) > 0 {
			return false
		}
		q.candidates, q.claimsRead = b.unclaimed(q.candidates), true
		q.askAll(b)
	}
	q.drop(func(l *link.Link, _ *workerCheck) bool {
		m := b.links[l]
		return m == nil || l.Settled() && m.settled()
	})
	return len(q.pending) == 0 || len(q.candidates) == 0
}

// drop removes the workers that need no further check.
func (q *lossCheck) drop(done func(*link.Link, *workerCheck) bool) {
	for l, w := range q.pending {
		if done(l, w) {
			delete(q.pending, l)
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

// seen reports whether each of the worker's threads has been seen outside the moment
// between taking a token and claiming its request. If the slot belongs to another
// worker by now, seen returns false: this worker is dead, and its link will close.
func (w *workerCheck) seen(board *scoreboard.Board, l *link.Link) bool {
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

// wakeOne writes a token without a request into the shared pipe if requests wait
// there. The kernel wakes one worker for each token. If that worker died before it
// took the token, this wakes another.
func (b *Backend) wakeOne() {
	if b.shared.unread() > 0 {
		b.shared.sent++
		b.shared.out = shm.Wake.Append(b.shared.out)
	}
}

// takeNoMore ends waiting. It takes back the requests in the shared pipe, so that no
// worker begins them later.
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

// inFlight lists the requests in flight.
func (b *Backend) inFlight() (all []wire.InFlight) {
	now := time.Now()
	by := map[uint64]*link.Link{}
	for l := range b.links {
		for _, number := range claimsOf(b.env.Board, l) {
			by[number] = l
		}
	}
	add := func(h wire.InFlight) {
		if link := by[h.Number]; link != nil {
			h.Slot, h.PID = link.Slot, link.PID
		}
		all = append(all, h)
	}
	for _, x := range b.registry.Open() {
		add(x.InFlight(now))
	}
	for _, s := range b.sockets.open {
		add(s.held(now))
	}
	for _, c := range b.calls {
		if c == nil || c.exchange != nil {
			continue
		}
		r := c.request
		h := wire.InFlight{Number: c.number, ID: r.ID, Method: r.Method, Path: r.Path, Age: now.Sub(c.sent), Begun: c.begun}
		if c.worker != nil {
			h.Slot, h.PID = c.worker.worker.Slot, c.worker.pid
		}
		add(h)
	}
	return all
}

package python

import (
	"time"

	"github.com/gonicorn/gonicorn/gateway/python/link"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
)

// owner makes Backend a link.Owner without exporting the methods on Backend. They are
// called from the goroutines that read workers' sockets.
type owner struct{ *Backend }

// Hello implements link.Owner.
func (o owner) Hello(l *link.Link, h link.Hello) {
	o.loop.Post(func() {
		m := o.links[l]
		if m == nil {
			return
		}
		if o.app.Swap(&h.Interface) == nil {
			close(o.known)
		}
		m.ready = true
		o.admit()
	})
}

// GoAway implements link.Owner. The worker gets no more requests. It still serves those
// in its pipe before Drained.
func (o owner) GoAway(l *link.Link) {
	o.loop.Post(func() {
		m := o.links[l]
		if m == nil {
			return
		}
		m.away = true
		l.Restart()
		o.flush()
		l.Drained()
	})
}

// Fetch implements link.Owner. It frees the request's slot: the rest goes over the
// worker's socket.
func (o owner) Fetch(l *link.Link, number uint64, x *link.Exchange) {
	if x == nil {
		x = o.Adopt(l, number) // the loop serves the request, which is too long for a slot
	}
	mine := false
	if x != nil {
		o.loop.Do(func() {
			m, c := o.links[l], x.Call.(*call)
			if m == nil || c.stage != given || c.worker != nil && c.worker != m || c.worker == nil && m.own != nil {
				return
			}
			mine = true
			c.stage, c.worker = fetched, m
			o.free(c)
			x.SetLink(l)
		})
	}
	if !mine {
		l.Cancel(number)
		return
	}
	if err := x.Offer(l, *o.app.Load(), o.o.Shared); err != nil {
		o.env.Log.Error("cannot hand a request to a worker", "pid", l.PID, "error", err)
	}
}

// Settle implements link.Owner.
func (o owner) Settle(l *link.Link) {
	o.loop.Do(func() {
		if m := o.links[l]; m != nil {
			o.answered(m)
		}
	})
}

// Adopt implements link.Owner. A request that the loop serves gets a goroutine.
func (o owner) Adopt(l *link.Link, number uint64) (x *link.Exchange) {
	o.loop.Do(func() {
		for _, c := range o.calls {
			if c != nil && c.number == number {
				if x = c.exchange; x == nil {
					x = o.promote(c)
				}
				return
			}
		}
	})
	return x
}

// Closed implements link.Owner. Everything that the worker has sent has been handed to
// its exchanges, so requests that are not answered by now fail.
func (o owner) Closed(l *link.Link, _ error) {
	claims := claimsOf(o.env.Board, l)
	l.Hangup()
	o.loop.Do(func() { o.gone(l, claims) })
}

// hungSince returns when a worker's loop last ran, in nanoseconds since 1970, or 0 if
// it did not hang.
func (b *Backend) hungSince(m *member) int64 {
	if lag := b.lag(m, scoreboard.Now()); m.warned || lag > hang {
		return time.Now().Add(-lag).UnixNano()
	}
	return 0
}

// claimsOf returns the numbers of the requests that a worker has claimed on the
// scoreboard.
func claimsOf(board *scoreboard.Board, l *link.Link) (numbers []uint64) {
	if board == nil || l.Slot < 0 || l.Slot >= scoreboard.Slots {
		return nil
	}
	if pid := board.Owner(l.Slot); pid != 0 && pid != l.PID {
		return nil // the slot belongs to another worker by now
	}
	slot := board.Slot(l.Slot)
	for i := range slot.Claim {
		if n := slot.Claim[i].ID.Load(); n > scoreboard.Taking {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

package queue

import (
	"github.com/gonicorn/gonicorn/gateway/channel"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
)

// claimsOf are the numbers that a worker has claimed on the scoreboard.
func claimsOf(board *scoreboard.Board, l *channel.Link) []uint64 {
	if board == nil || l.Slot < 0 || l.Slot >= scoreboard.Slots {
		return nil
	}
	if pid := board.Owner(l.Slot); pid != 0 && pid != l.PID {
		return nil // the slot is another's by now
	}
	slot := board.Slot(l.Slot)
	var numbers []uint64
	for i := range slot.Claim {
		if n := slot.Claim[i].ID.Load(); n > scoreboard.Taking {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

// claims says who has claimed what. The caller holds b.mu.
func (b *Backend) claims() map[uint64]*channel.Link {
	by := map[uint64]*channel.Link{}
	for l := range b.links {
		for _, number := range claimsOf(b.env.Board, l) {
			by[number] = l
		}
	}
	return by
}

// heard reports whether each of the worker's threads has been seen where it
// holds no request that it has not claimed. A slot that is another's by now
// says nothing: the worker is dead then, and its link closes.
func (w *witness) heard(board *scoreboard.Board, l *channel.Link) bool {
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

package process

import (
	"cmp"
	"slices"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// showTrial records which worker is on trial.
func (p *process) showTrial(workers []gateway.Worker) {
	var trial *gateway.Worker
	for i, w := range workers {
		if w.Share > 0 && !w.Draining {
			trial = &workers[i]
		}
	}
	p.trial.Store(trial)
}

// showPending writes for the arbiter since when requests have been waiting for an answer
// of the worker on trial. They include those on which it hangs.
func (p *process) showPending() {
	w := p.trial.Load()
	if w == nil || w.Slot < 0 || w.Slot >= scoreboard.Slots || p.link.inFlight == nil {
		return
	}
	its := slices.DeleteFunc(p.link.inFlight(), func(h wire.InFlight) bool { return h.PID != w.PID || h.Begun })
	slices.SortFunc(its, func(a, b wire.InFlight) int { return cmp.Compare(b.Age, a.Age) })
	now := scoreboard.Now()
	var since []int64
	for _, h := range its[:min(len(its), scoreboard.PendingMost)] {
		since = append(since, now-int64(h.Age))
	}
	p.from.Board.Account(w.Slot).SetPending(since)
}

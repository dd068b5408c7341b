package process

import (
	"time"

	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
)

// beatEvery is the time between two heartbeats.
const beatEvery = 100 * time.Millisecond

// beat writes the first heartbeat.
func (p *process) beat() {
	p.from.Slot.Heartbeat.Store(scoreboard.Now())
	p.from.Slot.Beats.Store(1)
}

// beats writes heartbeats, which show that the scheduler runs, and does other regular
// work.
func (p *process) beats(done <-chan struct{}) {
	stuck := &stuck{board: p.from.Board, inFlight: p.link.inFlight, report: p.link.reportStuck, loop: p.set.StallWarning, request: p.set.RequestWarning, runnable: proc.Runnable}
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	var memory memoryReturn
	lean := newLean(p.memory)
	full := &full{log: p.log}
	batch := newBatch(p.set.BatchScheduling && p.python != nil, p.loops, p.log)
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			if p.look != nil {
				p.look()
			}
			if serving := p.serving.Load(); serving != nil {
				stuck.look(*serving, scoreboard.Now())
			}
			memory.look(time.Now())
			lean.look(time.Now())
			batch.look(time.Now())
			p.showPending()
			waiting, oldest := p.showQueue()
			full.look(waiting, oldest, int(p.workers.Load()), time.Now())
			p.from.Slot.Heartbeat.Store(scoreboard.Now())
		}
	}
}

// showQueue writes for the arbiter how many requests workers have, how many wait for a
// worker, and since when the first of these waits.
func (p *process) showQueue() (waiting int, oldest time.Duration) {
	stats := p.pool.Stats()
	inFlight := stats.InFlight
	waiting, oldest = stats.Waiting, stats.OldestWait
	if p.python != nil {
		stats := p.python.Stats()
		inFlight, waiting, oldest = stats.InFlight, stats.Waiting, stats.OldestWait
	}
	since := int64(0)
	if waiting > 0 {
		since = scoreboard.Now() - int64(oldest)
	}
	p.from.Slot.InFlight.Store(int64(inFlight))
	p.from.Slot.Waiting.Store(int64(waiting))
	p.from.Slot.WaitingSince.Store(since)
	return waiting, oldest
}

package workers

import (
	"time"

	"github.com/gonicorn/gonicorn/internal/scoreboard"
)

// turnPeriod is how often a worker on trial has its turn.
const turnPeriod = 200 * time.Millisecond

// mostYield bounds what is left to a worker on trial, per mille, whatever the
// slot says: nobody waits for long.
const mostYield = 200

// turn says who accepts connections while a worker is on trial. The kernel gives
// a connection to whoever is first: so that the worker on trial gets its share,
// and no more, the others pause for that share of every turnPeriod, and it
// pauses for the rest. All look at the same clock, and none needs to ask another.
type turn struct{ slot *scoreboard.Slot }

// wait is how long this worker must not accept at now; 0 if it may.
func (t turn) wait(now int64) time.Duration {
	share, yield := t.slot.Share.Load(), t.slot.Yield.Load()
	if share <= 0 && yield <= 0 {
		return 0
	}
	at := time.Duration(now % int64(turnPeriod))
	if share > 0 {
		if end := part(share); at >= end {
			return turnPeriod - at
		}
		return 0
	}
	return max(0, part(yield)-at)
}

// part is so many of a thousand parts of turnPeriod.
func part(perMille int64) time.Duration {
	return turnPeriod * time.Duration(min(perMille, mostYield)) / 1000
}

// await waits until this worker may accept. It returns false when stop was
// closed first.
func (t turn) await(stop <-chan struct{}) bool {
	for {
		d := t.wait(scoreboard.Now())
		if d <= 0 {
			return true
		}
		timer := time.NewTimer(d)
		select {
		case <-timer.C:
		case <-stop:
			timer.Stop()
			return false
		}
	}
}

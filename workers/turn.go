package workers

import (
	"time"

	"github.com/gonicorn/gonicorn/internal/scoreboard"
)

// turnPeriod is how often a canary gets its turn.
const turnPeriod = 200 * time.Millisecond

// mostYield bounds the share of a canary, per mille, whatever the slot says, so
// that no client waits long.
const mostYield = 200

// turn decides which workers accept connections while a canary is on trial. The
// kernel gives a connection to the worker that asks first. To give the canary its
// share and no more, the others pause for that share of every turnPeriod, and the
// canary pauses for the rest. All read the same clock, so none has to ask another.
type turn struct{ slot *scoreboard.Slot }

// wait returns how long from now this worker must not accept; 0 if it may.
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

// part returns this share of turnPeriod.
func part(perMille int64) time.Duration {
	return turnPeriod * time.Duration(min(perMille, mostYield)) / 1000
}

// await waits until this worker may accept. It returns false if stop is closed
// first.
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

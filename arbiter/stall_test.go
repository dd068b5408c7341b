package arbiter

import (
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/internal/wire"
)

// What is logged of stalls is bounded, and says how much was not.
func TestStallLog(t *testing.T) {
	var l stallLog
	for _, c := range []struct {
		at   time.Duration
		pid  int
		what string
		more int
		want int // that were not told; -1: it is not told
	}{
		{0, 1, "a", 0, 0},
		{time.Second, 1, "a", 2, -1},
		{2 * time.Second, 2, "a", 0, -1}, // of another worker: the same line
		{3 * time.Second, 2, "b", 7, 7},
		{5 * time.Second, 1, "a", 1, 5}, // 1+2, 1, and 1 that came along
		{20 * time.Second, 1, "a", 0, -1},
		{65 * time.Second, 1, "a", 0, 1},
		{70 * time.Second, 3, "c1", 0, 0}, {70 * time.Second, 3, "c2", 0, 0}, {70 * time.Second, 3, "c3", 0, 0},
		{70 * time.Second, 3, "c4", 0, 0}, {70 * time.Second, 3, "c5", 0, 0},
		{70 * time.Second, 3, "c6", 0, -1}, // it has said enough
		{70 * time.Second, 4, "c6", 0, 0},  // another one has not
		{80 * time.Second, 3, "c7", 0, 0},
		{80 * time.Second, 3, "c8", 0, -1},
	} {
		untold, ok := l.admit(c.pid, c.what, c.more, c.at)
		if ok != (c.want >= 0) || ok && untold != c.want {
			t.Errorf("%v: worker %d says %s: %d, %v, want %d", c.at, c.pid, c.what, untold, ok, c.want)
		}
	}
	for i := range 5 * stallsListed {
		l.admit(i, time.Duration(i).String(), 0, time.Hour)
		if len(l.told) > stallsListed+1 || len(l.workers) > stallsListed+1 {
			t.Fatalf("%d lines and %d workers are remembered", len(l.told), len(l.workers))
		}
	}
}

// A worker that says nothing itself is explained from outside, and a Python one
// is asked for its stacks.
func TestStuckWorkers(t *testing.T) {
	for name, python := range map[string]bool{"command": false, "python": true} {
		t.Run(name, func(t *testing.T) {
			gen := generation(1, 1)
			gen.Settings.Interpreter = python
			th := newTheatre(t, gen)
			th.readyAll()
			w := th.fleet.workers()[0]
			report := stuckAt(w)
			th.fleet.stuck(report, th.now)
			th.fleet.stuck(report, th.now)
			if want := map[bool]int{true: 1}[python]; th.alive[w.pid].shown != want {
				t.Errorf("asked %d times for its stacks, want %d", th.alive[w.pid].shown, want)
			}
			report.Slot++ // somebody else's by now
			report.PID = w.pid
			th.now += time.Hour
			th.fleet.stuck(report, th.now)
			th.alive[w.pid].halted = "stopped"
			report.Slot--
			th.fleet.stuck(report, th.now)
			if th.alive[w.pid].shown > 1 {
				t.Error("a worker that is stopped, or another one's slot, is asked for stacks")
			}
		})
	}
}

func stuckAt(w *worker) wire.Stuck {
	return wire.Stuck{Slot: w.place.Slot, PID: w.pid, InFlight: wire.InFlight{ID: "x", Method: "GET", Path: "/", PID: w.pid, Age: time.Second}}
}

package arbiter

import (
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/signals"
)

const mib = 1 << 20

func TestBudgetSaysHowManyWorkersFit(t *testing.T) {
	for name, c := range map[string]struct {
		use            memoryUse
		n, least       int
		room, fewer    int
		over, hopeless bool
	}{
		"no budget":            {memoryUse{held: 500, largest: 100}, 5, 1, 1 << 62, 5, false, false},
		"room for two":         {memoryUse{budget: 500, held: 300, largest: 100, smallest: 50}, 3, 1, 2, 3, false, false},
		"the leaving count":    {memoryUse{budget: 500, held: 300, leaving: 120, largest: 100, smallest: 50}, 3, 1, 0, 3, false, false},
		"nothing is known yet": {memoryUse{budget: 500}, 1, 1, 1, 1, false, false},
		"one too many":         {memoryUse{budget: 500, held: 510, largest: 100, smallest: 100}, 6, 1, 0, 5, true, false},
		"three too many":       {memoryUse{budget: 500, held: 800, largest: 100, smallest: 100}, 8, 1, 0, 5, true, false},
		"the floor holds":      {memoryUse{budget: 500, held: 800, largest: 100, smallest: 100}, 8, 7, 0, 7, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.use.room(); min(got, 1<<62) != c.room {
				t.Errorf("room %d, want %d", got, c.room)
			}
			if got := c.use.fewer(c.n, c.least); got != c.fewer {
				t.Errorf("fewer %d, want %d", got, c.fewer)
			}
			if got := c.use.over(); got != c.over {
				t.Errorf("over %v", got)
			}
			if got := c.use.cannotHold(c.least); got != c.hopeless {
				t.Errorf("cannotHold %v", got)
			}
		})
	}
}

// What a worker that boots will hold is reserved for it.
func TestMemoryOfABootingWorkerIsReserved(t *testing.T) {
	th := newTheatre(t, generation(1, 3))
	th.readyAll()
	a := &Arbiter{workers: th.fleet}
	th.fleet.current.Settings.Elastic.Budget = 400 * mib
	th.fleet.positions[0].current.usage = usage{rss: 60 * mib, measured: th.now}
	th.fleet.positions[1].current.usage = usage{rss: 100 * mib, measured: th.now}
	a.measureMemory()
	if want := int64(260 * mib); a.memory.use.held != want {
		t.Fatalf("held %d, want %d: the third was not measured yet", a.memory.use.held, want)
	}
	if n := a.memory.use.room(); n != 1 {
		t.Fatalf("room for %d, want 1", n)
	}
	// One that was measured while it booted, and is ready since, counts as the largest too.
	th.fleet.positions[2].current.usage = usage{rss: 20 * mib, measured: th.fleet.positions[2].current.readyAt - 1}
	a.measureMemory()
	if n := a.memory.use.room(); n != 1 {
		t.Fatalf("room for %d, want 1: the third was measured before its app was loaded", n)
	}
	th.act(signals.Decrease)
	a.measureMemory()
	if a.memory.use.leaving == 0 {
		t.Fatal("a worker that leaves holds nothing")
	}
}

// More workers than the budget holds go at once, the largest first.
func TestWorkersGoWhileOverTheBudget(t *testing.T) {
	gen := generation(1, 4)
	gen.Settings.Elastic = Elastic{Min: 1, Max: 8, UpWait: 50 * time.Millisecond, DownIdle: time.Hour, Budget: 200 * mib}
	th := newTheatre(t, gen)
	th.readyAll()
	a := &Arbiter{workers: th.fleet, children: children{kernel: &kernel{}}}
	for i, s := range th.fleet.positions {
		s.current.usage = usage{rss: int64(60+10*i) * mib, measured: th.now} // 60 to 90: 300 in all
	}
	a.measureMemory()
	n := a.scaling.scaler.want(th.now, gen.Settings.Elastic, 4, false, load{capacity: 1, waiting: 9, oldest: time.Minute, memory: a.memory.use})
	if n != 2 {
		t.Fatalf("%d workers stay, want 2", n)
	}
	th.fleet.letLargest(4-n, th.now)
	a.measureMemory()
	if a.memory.use.over() || a.memory.use.held != 130*mib {
		t.Fatalf("held %d MiB afterwards, want 130: the largest go", a.memory.use.held/mib)
	}
}

package arbiter

import (
	"os"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func elastic(least, most int) Elastic {
	return Elastic{Min: least, Max: most, UpWait: 50 * time.Millisecond, DownIdle: time.Minute}
}

// field is a simulated app: workers of one request at a time under a load given
// in workers' worth of work.
type field struct {
	e       Elastic
	s       scaler
	now     time.Duration
	n       int
	backlog float64 // seconds of work that wait
	done    float64
	changes int
}

// run lets time pass under a demand of so many workers, and returns the least
// and the greatest number of workers meanwhile.
func (f *field) run(d time.Duration, demand float64) (least, most int) {
	least, most = f.n, f.n
	for end := f.now + d; f.now < end; f.now += loadLook {
		step := loadLook.Seconds()
		work := demand*step + f.backlog
		did := min(work, float64(f.n)*step)
		f.backlog = work - did
		f.done += did
		l := load{busy: did / step, capacity: 1, requests: uint64(f.done * 100)}
		if f.backlog > 1e-9 {
			l.waiting = 1 + int(f.backlog*10)
			l.oldest = loadLook
			if f.n > 0 {
				l.oldest = time.Duration(f.backlog / float64(f.n) * float64(time.Second))
			}
		}
		if n := f.s.want(f.now, f.e, f.n, false, l); n != f.n {
			f.n = n
			f.changes++
		}
		least, most = min(least, f.n), max(most, f.n)
	}
	return least, most
}

func TestNumberFollowsTheLoad(t *testing.T) {
	f := &field{e: elastic(1, 8), n: 1, now: time.Hour}
	if _, most := f.run(30*time.Second, 0.5); most != 1 {
		t.Fatalf("%d workers for half of one's work", most)
	}
	f.run(30*time.Second, 3.5)
	if f.n < 4 || f.n > 6 {
		t.Fatalf("%d workers for the work of 3.5", f.n)
	}
	if f.run(30*time.Second, 50); f.n != 8 {
		t.Fatalf("%d workers under too much work, want all 8", f.n)
	}
	f.run(5*time.Minute, 0.1) // the backlog goes first
	before := f.n
	f.run(50*time.Second, 0.1)
	if before-f.n > 1 {
		t.Fatalf("from %d to %d workers within a minute: they go one at a time", before, f.n)
	}
	if f.run(time.Hour, 0.1); f.n != 1 {
		t.Fatalf("%d workers for a tenth of one's work after an hour", f.n)
	}
}

func TestNoWorkersWhereNothingIsToDo(t *testing.T) {
	f := &field{e: elastic(0, 4), n: 0, now: time.Hour}
	if _, most := f.run(time.Minute, 0); most != 0 {
		t.Fatalf("%d workers without a request", most)
	}
	if f.run(loadLook, 0.1); f.n != 1 {
		t.Fatalf("%d workers at the first request", f.n)
	}
	if least, _ := f.run(10*time.Minute, 0.01); least != 1 {
		t.Fatal("the only worker went although requests came")
	}
	if f.run(3*time.Minute, 0); f.n != 0 {
		t.Fatalf("%d workers long after the last request", f.n)
	}
}

// A few slow requests are no reason to grow as long as none waits behind them.
func TestSlowRequestsAloneChangeNothing(t *testing.T) {
	var s scaler
	for now := time.Hour; now < time.Hour+10*time.Minute; now += loadLook {
		l := load{busy: 2, capacity: 1, requests: uint64(now / time.Second)}
		if now%(7*time.Second) < 300*time.Millisecond { // now and then one waits for a moment
			l.waiting, l.oldest = 1, 200*time.Millisecond
		}
		if n := s.want(now, elastic(1, 8), 3, false, l); n != 3 {
			t.Fatalf("%d workers, want 3 all the time", n)
		}
	}
}

func TestNobodyIsAddedBeyondTheBudgetOrWhileOneBoots(t *testing.T) {
	for name, l := range map[string]load{
		"budget": {waiting: 9, oldest: time.Second, busy: 2, capacity: 1, memory: memoryUse{budget: 100, held: 80, largest: 40}},
		"boots":  {waiting: 9, oldest: time.Second, busy: 2, capacity: 1},
	} {
		var s scaler
		for now := time.Hour; now < time.Hour+time.Minute; now += loadLook {
			if n := s.want(now, elastic(1, 8), 2, name == "boots", l); n != 2 {
				t.Fatalf("%s: %d workers, want 2", name, n)
			}
		}
	}
}

// Under any constant load the number of workers comes to rest.
func TestConstantLoadIsNoReasonToSwing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 16).Draw(t, "most")
		f := &field{e: elastic(rapid.IntRange(0, most).Draw(t, "least"), most), now: time.Hour}
		f.n = rapid.IntRange(f.e.Min, most).Draw(t, "n")
		demand := rapid.Float64Range(0, float64(most)*0.95).Draw(t, "demand")
		hour := simulated()
		f.run(2*hour, demand)
		f.changes = 0
		f.run(4*hour, demand)
		if f.changes > 4 {
			t.Fatalf("%d changes in %s of the same load %.2f", f.changes, 4*hour, demand)
		}
		if f.n < f.e.Min || f.n > f.e.Max {
			t.Fatalf("%d workers, bounds %d and %d", f.n, f.e.Min, f.e.Max)
		}
	})
}

// simulated is how long a load is watched: an hour in the long form (make soak), a
// third of one in the short, which is many times scale_down_idle.
func simulated() time.Duration {
	if os.Getenv("GONICORN_SOAK") != "" {
		return time.Hour
	}
	return 20 * time.Minute
}

// A load that swings faster than scale_down_idle keeps the workers that its
// peaks need.
func TestSwingingLoadKeepsItsWorkers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := &field{e: elastic(1, 10), n: 1, now: time.Hour}
		low, high := rapid.Float64Range(0, 3).Draw(t, "low"), rapid.Float64Range(4, 9).Draw(t, "high")
		half := time.Duration(rapid.IntRange(2, 25).Draw(t, "half")) * time.Second
		swing := func(d time.Duration) {
			for end := f.now + d; f.now < end; {
				f.run(half, low)
				f.run(half, high)
			}
		}
		hour := simulated()
		swing(hour)
		f.changes = 0
		swing(hour)
		if f.changes > 2 {
			t.Fatalf("%d changes in %s of the same swings", f.changes, hour)
		}
	})
}

// crowded is a load of clients that each wait for an answer before they ask
// again, on workers that take boot to become ready.
func crowded(clients int, each, boot time.Duration, e Elastic) (grown time.Duration) {
	var s scaler
	start := time.Hour
	n, coming, readyAt, served := 1, 0, time.Duration(0), 0.0
	for now := start; now < start+time.Minute; now += loadLook {
		if coming > 0 && now >= readyAt {
			n, coming = n+coming, 0
		}
		if n >= e.Max {
			return now - start
		}
		served += float64(min(n, clients)) * loadLook.Seconds() / each.Seconds()
		waiting := max(0, clients-n)
		l := load{waiting: waiting, capacity: 1, busy: float64(n), requests: uint64(served), boot: boot}
		if waiting > 0 {
			l.oldest = time.Duration(float64(waiting) / float64(n) * float64(each))
		}
		if want := s.want(now, e, n+coming, coming > 0, l); want > n+coming {
			coming, readyAt = want-n, now+boot
		}
	}
	return time.Minute
}

// A worker that boots slowly is no reason to grow one at a time (E10).
func TestGrowthDoesNotWaitForOneSlowBootAfterTheOther(t *testing.T) {
	e := elastic(1, 4)
	if took := crowded(8, 200*time.Millisecond, 3*time.Second, e); took > 5*time.Second {
		t.Errorf("from 1 to 4 workers in %s, with 3 s to boot", took)
	}
	if took := crowded(8, 5*time.Second, 3*time.Second, e); took > 5*time.Second {
		t.Errorf("from 1 to 4 workers in %s, where nothing has finished", took)
	}
}

// Nobody goes at a moment at which a request waits (E10).
func TestNobodyGoesWhileARequestWaits(t *testing.T) {
	var s scaler
	e := elastic(1, 4)
	for now := time.Hour; now < time.Hour+10*time.Minute; now += loadLook {
		if n := s.want(now, e, 3, false, load{waiting: 1, oldest: time.Millisecond, capacity: 1}); n != 3 {
			t.Fatalf("%d workers while a request waits", n)
		}
	}
}

// A worker that is let go while it starts would leave a start without its end.
func TestLoadIsNotFollowedBeforeAllAreReady(t *testing.T) {
	gen := generation(1, 2)
	gen.Settings.Elastic = Elastic{Min: 1, Max: 3, DownIdle: time.Second}
	th := newTheatre(t, gen)
	a := &Arbiter{workers: th.fleet, children: children{kernel: &kernel{}}}
	if at := a.scaleToLoad(th.now); at != forever || a.scaling.next != 0 {
		t.Fatal("the load was looked at while no worker had been ready")
	}
}

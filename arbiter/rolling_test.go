package arbiter

import (
	"slices"
	"testing"
	"time"
)

func reloading(workers int, r Reload) *Generation {
	gen := generation(2, workers)
	gen.Settings.Reload = r
	return gen
}

func (th *theatre) generations() []int {
	_, _, gens := th.serving()
	return gens
}

func TestRollingReloadGoesInBatches(t *testing.T) {
	for _, c := range []struct {
		name   string
		old    int
		gen    *Generation
		batch  int     // started at first
		served [][]int // generations after each batch
	}{
		{"one at a time", 3, reloading(3, Reload{Rolling: true, Batch: 1}), 1, [][]int{{2, 1, 1}, {2, 2, 1}, {2, 2, 2}}},
		{"two at a time", 5, reloading(5, Reload{Rolling: true, Batch: 2}), 2, [][]int{{2, 2, 1, 1, 1}, {2, 2, 2, 2, 1}, {2, 2, 2, 2, 2}}},
		{"a quarter", 8, reloading(8, Reload{Rolling: true}), 2, [][]int{{2, 2, 1, 1, 1, 1, 1, 1}, {2, 2, 2, 2, 1, 1, 1, 1}}},
		{"to fewer", 3, reloading(1, Reload{Rolling: true, Batch: 1}), 1, [][]int{{2}}},
		{"to more", 1, reloading(3, Reload{Rolling: true, Batch: 1}), 1, [][]int{{2}, {2, 2}, {2, 2, 2}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			th := newTheatre(t, generation(1, c.old))
			th.readyAll()
			th.fleet.reload(c.gen, false, "", th.now)
			th.pass()
			for i, want := range c.served {
				if n := len(th.alive) - c.old; i == 0 && n != c.batch {
					t.Fatalf("%d were started at once, want %d", n, c.batch)
				}
				if i > 0 || c.old == len(th.generations()) {
					th.readyAll()
				}
				if got := th.generations(); !slices.Equal(got, want) {
					t.Fatalf("after batch %d generations %v serve, want %v", i+1, got, want)
				}
				th.leaveAll()
			}
		})
	}
}

func TestRollingReloadRests(t *testing.T) {
	th := newTheatre(t, generation(1, 2))
	th.readyAll()
	th.fleet.reload(reloading(2, Reload{Rolling: true, Batch: 1, Pause: 10 * time.Second}), false, "", th.now)
	th.pass()
	th.readyAll()
	th.leaveAll()
	th.after(9 * time.Second)
	if len(th.alive) != 2 {
		t.Fatalf("%d processes during the pause, want 2", len(th.alive))
	}
	th.after(2 * time.Second)
	th.readyAll()
	if got := th.generations(); !slices.Equal(got, []int{2, 2}) || th.fleet.candidate != nil {
		t.Fatalf("generations %v serve", got)
	}
}

// Those who go may take their time: no more than one batch of them at once.
func TestRollingReloadWaitsForThoseWhoLeave(t *testing.T) {
	th := newTheatre(t, generation(1, 4))
	th.readyAll()
	th.fleet.reload(reloading(4, Reload{Rolling: true, Batch: 1}), false, "", th.now)
	th.pass()
	for range 4 {
		th.readyAll()
	}
	if n := th.fleet.leavingBefore(th.fleet.candidate.gen); n != 2 {
		t.Fatalf("%d leave at once, want 2", n)
	}
}

func TestBrokenRollingReloadGoesBack(t *testing.T) {
	th := newTheatre(t, generation(1, 3))
	th.readyAll()
	th.fleet.reload(reloading(3, Reload{Rolling: true, Batch: 1}), false, "", th.now)
	th.pass()
	th.readyAll() // worker 1 is exchanged, worker 2 starts
	th.leaveAll()
	th.exit(th.lastPID, 1<<8)
	if th.fleet.candidate != nil || th.fleet.reloaded.lastFault == "" {
		t.Fatal("the reload goes on")
	}
	if got := th.generations(); !slices.Equal(got, []int{2, 1, 1}) {
		t.Fatalf("generations %v serve right after the failure, want the exchanged one too", got)
	}
	th.readyAll()
	if got := th.generations(); !slices.Equal(got, []int{1, 1, 1}) {
		t.Fatalf("generations %v serve in the end, want three of 1", got)
	}
}

package arbiter

import (
	"slices"
	"strings"
	"syscall"
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
			th.fleet.reload(c.gen, false, th.now)
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
	th.fleet.reload(reloading(2, Reload{Rolling: true, Batch: 1, Pause: 10 * time.Second}), false, th.now)
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
	th.fleet.reload(reloading(4, Reload{Rolling: true, Batch: 1}), false, th.now)
	th.pass()
	for range 4 {
		th.readyAll()
	}
	if n := th.fleet.leavingFor("reload"); n != 2 {
		t.Fatalf("%d leave at once, want 2", n)
	}
}

func TestBrokenRollingReloadGoesBack(t *testing.T) {
	th := newTheatre(t, generation(1, 3))
	th.readyAll()
	th.fleet.reload(reloading(3, Reload{Rolling: true, Batch: 1}), false, th.now)
	th.pass()
	th.readyAll() // worker 1 is exchanged, worker 2 starts
	th.leaveAll()
	th.exit(th.lastPID, 1<<8)
	if th.fleet.candidate != nil || th.fleet.lastFault == "" {
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

func TestCanary(t *testing.T) {
	for name, c := range map[string]struct {
		then func(*theatre) // what happens to the canary, pid 104, and the others
		good bool
		why  string
	}{
		"does well":        {func(th *theatre) { th.answer(104, 1000, 10); th.answer(101, 1000, 0) }, true, ""},
		"crashes":          {func(th *theatre) { th.exit(104, syscall.WaitStatus(syscall.SIGSEGV)) }, false, "worker 1"},
		"answers 5xx":      {func(th *theatre) { th.answer(104, 100, 10); th.answer(101, 1000, 10) }, false, "10.0 %"},
		"as bad as others": {func(th *theatre) { th.answer(104, 100, 10); th.answer(101, 1000, 90) }, true, ""},
		"answered little":  {func(th *theatre) { th.answer(104, 10, 10) }, true, ""},
		"is superseded": {func(th *theatre) {
			th.fleet.reload(generation(3, 3), false, th.now)
			th.pass()
		}, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			th := newTheatre(t, generation(1, 3))
			th.readyAll()
			th.answer(101, 100_000, 50_000) // long ago
			th.fleet.reload(reloading(3, Reload{Rolling: true, Batch: 3, Canary: 10 * time.Second, CanaryErrors: 5}), false, th.now)
			th.pass()
			th.readyAll()
			if len(th.alive) != 4 || th.signalled(101, syscall.SIGTERM) {
				t.Fatalf("%d processes while the canary is watched, want 4", len(th.alive))
			}
			if peers := th.fleet.peers(); len(peers) != 4 {
				t.Fatalf("%d serve, want the canary beside the others", len(peers))
			}
			c.then(th)
			th.after(time.Second)
			if c.good == (th.fleet.candidate == nil) || !strings.Contains(th.fleet.lastFault, c.why) {
				if name != "is superseded" {
					t.Fatalf("candidate %v, fault %q", th.fleet.candidate, th.fleet.lastFault)
				}
			}
			th.after(10 * time.Second)
			th.readyAll()
			want := []int{1, 1, 1}
			if c.good {
				want = []int{2, 2, 2}
			} else if name == "is superseded" {
				want = []int{3, 3, 3}
			}
			if got := th.generations(); !slices.Equal(got, want) {
				t.Fatalf("generations %v serve in the end, want %v", got, want)
			}
		})
	}
}

// answer adds to what a worker has answered.
func (th *theatre) answer(pid int, answers, errors uint64) {
	v := &th.alive[pid].vitals
	v.answers += answers
	v.errors += errors
}

// A worker that the gateway was told of is never withheld from it again before
// it leaves: its socket is handed over once.
func TestCanaryStaysPublished(t *testing.T) {
	th := newTheatre(t, generation(1, 3))
	th.readyAll()
	th.fleet.reload(reloading(3, Reload{Rolling: true, Batch: 1, Canary: time.Second}), false, th.now)
	th.pass()
	th.readyAll()
	published := func() bool {
		return slices.ContainsFunc(th.fleet.peers(), func(p Peer) bool { return p.PID == 104 && !p.Draining })
	}
	if !published() {
		t.Fatal("the canary is not published")
	}
	th.now += 2 * time.Second
	for range 10 {
		if th.fleet.plan(th.now); !published() {
			t.Fatal("the canary was withheld")
		}
	}
}

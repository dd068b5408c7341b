package arbiter

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func onTrial(r Reload) *Generation {
	r.Rolling, r.Batch = true, 3
	r.CanaryErrors, r.CanarySlowdown, r.CanaryLeast = 5, 3, 20 // 30 is the default
	if r.Canary == 0 {
		r.Canary = 10 * time.Second
	}
	gen := reloading(3, r)
	gen.Settings.Gated = true
	return gen
}

// trying is three workers, pids 101 to 103, and a canary that serves, pid 104.
func trying(t *testing.T, gen *Generation) *theatre {
	t.Helper()
	th := newTheatre(t, generation(1, 3))
	th.readyAll()
	th.answer(101, 100_000, 50_000) // long ago
	th.took(101, 1000, 10*time.Millisecond)
	th.fleet.reload(gen, false, "", th.now)
	th.pass()
	th.readyAll()
	if len(th.alive) != 4 || th.signalled(101, syscall.SIGTERM) {
		t.Fatalf("%d processes while the canary is watched, want 4", len(th.alive))
	}
	return th
}

// answer adds to what a worker has answered.
func (th *theatre) answer(pid int, answers, errors uint64) {
	v := &th.alive[pid].vitals
	v.answers += answers
	v.errors += errors
	v.requests += answers
}

// took adds to how long its requests took in the app.
func (th *theatre) took(pid, requests int, d time.Duration) {
	for range requests {
		th.alive[pid].app.Observe(d)
	}
}

// works has a canary do well by and by, as the others do.
func (th *theatre) works(pid int, seconds int) {
	for range 10 * seconds {
		if th.alive[pid] == nil {
			return
		}
		for _, p := range []int{pid, 101} {
			th.answer(p, 1, 0)
			th.took(p, 1, 10*time.Millisecond)
		}
		th.after(100 * time.Millisecond)
	}
}

func TestCanary(t *testing.T) {
	for name, c := range map[string]struct {
		then func(*theatre) // what happens to the canary, pid 104, and the others
		good bool
		why  string
	}{
		"does well":   {func(*theatre) {}, true, ""},
		"crashes":     {func(th *theatre) { th.exit(104, syscall.WaitStatus(syscall.SIGSEGV)) }, false, "worker 4"},
		"answers 5xx": {func(th *theatre) { th.answer(104, 100, 15) }, false, "15.0 % of its"},
		"answers 5xx, at last": {func(th *theatre) {
			th.answer(104, 20, 2) // 10 %, which may be chance
			th.after(10 * time.Second)
			if th.fleet.candidate == nil || !th.fleet.candidate.trial.longer {
				th.t.Fatalf("the trial does not go on: %q", th.fleet.reloaded.lastFault)
			}
			th.after(20 * time.Second)
		}, false, "10.0 % of its 20 answers"},
		"as bad as others": {func(th *theatre) {
			th.answer(104, 100, 10)
			th.answer(101, 1000, 90)
		}, true, ""},
		"is slow": {func(th *theatre) {
			th.works(104, 2)
			th.took(104, 100, 100*time.Millisecond)
			th.answer(104, 100, 0)
		}, false, "half of its requests take longer than"},
		"is slow at times": {func(th *theatre) {
			th.works(104, 2)
			th.took(104, 5, time.Second)
			th.answer(104, 5, 0)
		}, false, "of its 2"},
		"is slow at first": {func(th *theatre) {
			th.answer(104, 5, 0)
			th.took(104, 5, 3*time.Second)
		}, true, ""},
		"hangs": {func(th *theatre) {
			th.works(104, 1)
			th.alive[104].pending = []time.Duration{1600 * time.Millisecond}
		}, false, "1 of its requests hang"},
		"hangs at first": {func(th *theatre) { th.alive[104].pending = []time.Duration{6 * time.Second} }, false, "1 of its requests hang"},
		"is large":       {func(th *theatre) { th.uses(104, 300<<20) }, false, "max_memory"},
	} {
		t.Run(name, func(t *testing.T) {
			gen := onTrial(Reload{})
			gen.Settings.MaxMemory = 200 << 20
			th := trying(t, gen)
			c.then(th)
			th.after(100 * time.Millisecond)
			if c.good == (th.fleet.candidate == nil) || !strings.Contains(th.fleet.reloaded.lastFault, c.why) {
				t.Fatalf("candidate %v, fault %q", th.fleet.candidate, th.fleet.reloaded.lastFault)
			}
			th.works(104, 11)
			th.leaveAll()
			th.readyAll()
			want := []int{1, 1, 1}
			if c.good {
				want = []int{2, 2, 2}
			}
			if got := th.generations(); !slices.Equal(got, want) {
				t.Fatalf("generations %v serve in the end, want %v; fault %q", got, want, th.fleet.reloaded.lastFault)
			}
		})
	}
}

func (th *theatre) uses(pid int, rss int64) {
	w := th.fleet.find(pid, 0)
	w.usage.rss, w.usage.measured = rss, th.now
}

func TestLeakingCanary(t *testing.T) {
	for name, c := range map[string]struct {
		grows func(second int) int64 // to this
		bad   bool
	}{
		"leaks":         {func(s int) int64 { return 50<<20 + int64(s)*10<<20 }, true},
		"grows at once": {func(s int) int64 { return 50<<20 + int64(min(s, 2))*20<<20 }, false},
		"stays smaller": {func(s int) int64 { return 20<<20 + int64(s)*4<<20 }, false},
	} {
		t.Run(name, func(t *testing.T) {
			th := trying(t, onTrial(Reload{}))
			th.uses(101, 70<<20)
			for s := range 9 {
				if th.fleet.candidate == nil {
					break
				}
				th.uses(104, c.grows(s))
				th.uses(101, 70<<20)
				th.works(104, 1)
			}
			if leaks := strings.Contains(th.fleet.reloaded.lastFault, "it leaks"); leaks != c.bad {
				t.Fatalf("fault %q", th.fleet.reloaded.lastFault)
			}
		})
	}
}

// Too few answers are no proof: the trial goes on for a while, and then fails.
func TestCanaryWithTooFewAnswers(t *testing.T) {
	th := trying(t, onTrial(Reload{}))
	th.answer(104, 10, 0)
	th.after(11 * time.Second)
	if th.fleet.candidate == nil || !th.fleet.candidate.trial.longer {
		t.Fatal("the trial does not go on")
	}
	th.after(10 * time.Second)
	if got := th.fleet.workersOnTrial(); got != 250 {
		t.Errorf("its share is %d per mille by now, want a fair one", got)
	}
	th.after(10 * time.Second)
	if th.fleet.candidate != nil || !strings.Contains(th.fleet.reloaded.lastFault, "10 answers in 30s are too few") {
		t.Fatalf("fault %q", th.fleet.reloaded.lastFault)
	}
	th = trying(t, onTrial(Reload{}))
	th.after(15 * time.Second)
	th.answer(104, 30, 0)
	th.after(100 * time.Millisecond)
	if c := th.fleet.candidate; c == nil || !c.proven {
		t.Fatalf("a canary that had its answers later: fault %q", th.fleet.reloaded.lastFault)
	}
}

func (f *fleet) workersOnTrial() int {
	for _, p := range f.peers() {
		if p.Trial {
			return p.Share
		}
	}
	return 0
}

func TestCanaryHasFewRequestsAtFirst(t *testing.T) {
	th := trying(t, onTrial(Reload{}))
	if got := th.fleet.workersOnTrial(); got != canaryShare {
		t.Errorf("at first its share is %d per mille, want %d", got, canaryShare)
	}
	th.works(104, 6)
	if got := th.fleet.workersOnTrial(); got != 250 {
		t.Errorf("once it has done well its share is %d per mille, want 250", got)
	}
}

// Where workers accept connections themselves, each is told.
func TestCanaryWithoutGateway(t *testing.T) {
	gen := onTrial(Reload{FewAtOnce: true})
	gen.Settings.Gated = false
	th := trying(t, gen)
	if th.alive[104].share != canaryShare/2 || th.alive[101].yield != canaryShare/2 || th.alive[101].share != 0 {
		t.Errorf("canary %d, others leave it %d", th.alive[104].share, th.alive[101].yield)
	}
	th.exit(104, 1<<8)
	if th.alive[101].yield != 0 {
		t.Error("the others still leave requests to a canary that is gone")
	}
}

// What a trial cannot be made of is said, and the reload goes on without.
func TestReloadWithoutItsCanary(t *testing.T) {
	for name, c := range map[string]struct {
		before  func(*theatre)
		noTrial string
		note    string
	}{
		"other class":   {func(th *theatre) { th.readyAll() }, "the class changes", "no canary: the class changes"},
		"nobody serves": {func(*theatre) {}, "", "no canary: no worker serves"},
	} {
		t.Run(name, func(t *testing.T) {
			th := newTheatre(t, generation(1, 3))
			c.before(th)
			th.fleet.reload(onTrial(Reload{}), true, c.noTrial, th.now)
			th.pass()
			th.readyAll()
			if got := th.generations(); !slices.Equal(got, []int{2, 2, 2}) || !strings.HasPrefix(th.fleet.reloaded.lastNote, c.note) {
				t.Fatalf("generations %v, note %q", got, th.fleet.reloaded.lastNote)
			}
			if o := th.fleet.reloaded.outcomes; len(o) != 1 || o[0].Note != th.fleet.reloaded.lastNote {
				t.Errorf("outcomes %v", o)
			}
		})
	}
}

// A worker that the gateway was told of is never withheld from it again before
// it leaves: its socket is handed over once.
func TestCanaryStaysPublished(t *testing.T) {
	th := trying(t, onTrial(Reload{}))
	for range 50 {
		published := slices.ContainsFunc(th.fleet.peers(), func(p Peer) bool { return p.PID == 104 && !p.Draining })
		if !published {
			t.Fatal("the canary was withheld")
		}
		th.after(100 * time.Millisecond)
	}
}

func TestUnlikely(t *testing.T) {
	for _, c := range []struct{ k, want, low, high float64 }{
		{0, 1, 1, 1}, {1, 0.05, 0.048, 0.049}, {3, 1, 0.080, 0.081}, {3, 1e300, 1, 1}, {1e300, 1, 0, 1e-9},
	} {
		if got := unlikely(c.k, c.want); got < c.low || got > c.high {
			t.Errorf("unlikely(%g, %g) = %g, want %g to %g", c.k, c.want, got, c.low, c.high)
		}
	}
}

package arbiter

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/internal/wire"
	"github.com/gonicorn/gonicorn/signals"
	"pgregory.net/rapid"
)

// Signal × state, as a table: what each of Gunicorn's signals does to a fleet
// of three in every state.
func TestSignalsByState(t *testing.T) {
	states := map[string]func(*theatre){
		"booting": func(*theatre) {},
		"ready":   func(th *theatre) { th.readyAll() },
		"reloading": func(th *theatre) {
			th.readyAll()
			th.fleet.reload(generation(2, 3), false, "", th.now)
			th.pass()
		},
		"idle":     func(th *theatre) { th.readyAll(); th.act(signals.Drain); th.leaveAll() },
		"stopping": func(th *theatre) { th.readyAll(); th.act(signals.Stop) },
	}
	for _, c := range []struct {
		state     string
		action    signals.Action
		phase     phase
		positions int
		told      syscall.Signal // what the processes that serve get; 0 for none of them
		alive     int
	}{
		{"booting", signals.Stop, stopping, 0, syscall.SIGTERM, 3},
		{"booting", signals.Quit, quitting, 0, syscall.SIGINT, 3},
		{"booting", signals.Increase, serving, 4, 0, 4},
		{"booting", signals.Decrease, serving, 2, 0, 3},
		{"booting", signals.Drain, idle, 0, syscall.SIGTERM, 3},
		{"ready", signals.Stop, stopping, 0, syscall.SIGTERM, 3},
		{"ready", signals.Quit, quitting, 0, syscall.SIGINT, 3},
		{"ready", signals.Increase, serving, 4, 0, 4},
		{"ready", signals.Decrease, serving, 2, 0, 3},
		{"ready", signals.Drain, idle, 0, syscall.SIGTERM, 3},
		{"reloading", signals.Stop, stopping, 0, syscall.SIGTERM, 6},
		{"reloading", signals.Quit, quitting, 0, syscall.SIGINT, 6},
		{"reloading", signals.Increase, serving, 4, 0, 8},
		{"reloading", signals.Decrease, serving, 2, 0, 6},
		{"reloading", signals.Drain, idle, 0, syscall.SIGTERM, 6},
		{"idle", signals.Stop, stopping, 0, 0, 0},
		{"idle", signals.Quit, quitting, 0, 0, 0},
		{"idle", signals.Increase, idle, 0, 0, 0},
		{"idle", signals.Decrease, idle, 0, 0, 0},
		{"idle", signals.Drain, idle, 0, 0, 0},
		{"stopping", signals.Stop, stopping, 0, syscall.SIGTERM, 3},
		{"stopping", signals.Quit, quitting, 0, syscall.SIGINT, 3},
		{"stopping", signals.Increase, stopping, 0, syscall.SIGTERM, 3},
		{"stopping", signals.Decrease, stopping, 0, syscall.SIGTERM, 3},
		{"stopping", signals.Drain, stopping, 0, syscall.SIGTERM, 3},
	} {
		t.Run(fmt.Sprintf("%s %s", c.action, c.state), func(t *testing.T) {
			th := newTheatre(t, generation(1, 3))
			states[c.state](th)
			th.act(c.action)
			if th.fleet.phase != c.phase {
				t.Errorf("phase is %d, want %d", th.fleet.phase, c.phase)
			}
			if len(th.fleet.positions) != c.positions {
				t.Errorf("%d positions, want %d", len(th.fleet.positions), c.positions)
			}
			if len(th.alive) != c.alive {
				t.Errorf("%d processes, want %d", len(th.alive), c.alive)
			}
			for pid := range th.alive {
				if c.told != 0 && !th.signalled(pid, c.told) {
					t.Errorf("process %d got %v, want %v among them", pid, th.alive[pid].signals, c.told)
				}
			}
		})
	}
}

func TestDecreaseLetsTheOldestGoAndIncreaseTakesItsNumber(t *testing.T) {
	th := newTheatre(t, generation(1, 3))
	th.readyAll()
	th.exit(101, 0) // worker 1 is restarted: worker 2 is the oldest now
	th.after(time.Second)
	th.readyAll()
	th.act(signals.Decrease)
	if _, ids, _ := th.serving(); !slices.Equal(ids, []int{1, 3}) {
		t.Fatalf("workers %v serve after TTOU, want 1 and 3", ids)
	}
	th.act(signals.Increase)
	th.readyAll()
	if _, ids, _ := th.serving(); !slices.Equal(ids, []int{1, 2, 3}) {
		t.Fatalf("workers %v serve after TTIN, want 1, 2 and 3", ids)
	}
}

func TestDecreaseStopsAtOne(t *testing.T) {
	th := newTheatre(t, generation(1, 2))
	th.readyAll()
	for range 5 {
		th.act(signals.Decrease)
	}
	if pids, _, _ := th.serving(); len(pids) != 1 {
		t.Fatalf("%d workers serve after five TTOU, want 1", len(pids))
	}
}

func TestSecondQuitKillsAtOnce(t *testing.T) {
	th := newTheatre(t, generation(1, 2))
	th.readyAll()
	th.act(signals.Quit)
	if th.alive[101].killed {
		t.Fatal("the first INT killed")
	}
	th.act(signals.Quit)
	if !th.alive[101].killed || !th.alive[102].killed {
		t.Fatal("the second INT did not kill")
	}
}

func TestGracefulTimeoutEndsInKill(t *testing.T) {
	th := newTheatre(t, generation(1, 1))
	th.readyAll()
	th.act(signals.Stop)
	th.after(30*time.Second - 1)
	if th.alive[101].killed {
		t.Fatal("killed before graceful_timeout")
	}
	th.after(2)
	if !th.alive[101].killed {
		t.Fatal("not killed after graceful_timeout")
	}
}

func TestReloadIsATransaction(t *testing.T) {
	th := newTheatre(t, generation(1, 3))
	th.readyAll()
	th.fleet.reload(generation(2, 4), false, "", th.now)
	th.pass()
	th.say(104, "READY", "1")
	th.say(105, "READY", "1")
	th.say(106, "READY", "1")
	if _, _, gens := th.serving(); !slices.Equal(gens, []int{1, 1, 1}) {
		t.Fatalf("generations %v serve while one of the new is not ready", gens)
	}
	if th.signalled(101, syscall.SIGTERM) {
		t.Fatal("an old worker was told to go before the whole new generation was ready")
	}
	th.say(107, "READY", "1")
	if _, _, gens := th.serving(); !slices.Equal(gens, []int{2, 2, 2, 2}) {
		t.Fatalf("generations %v serve after the reload, want four of 2", gens)
	}
	if !th.signalled(101, syscall.SIGTERM) || !th.signalled(103, syscall.SIGTERM) {
		t.Fatal("the old workers were not told to go")
	}
}

func TestBrokenReloadKeepsTheOldServing(t *testing.T) {
	breakers := map[string]func(*theatre){
		"exits":  func(th *theatre) { th.exit(105, 1<<8) },
		"hangs":  func(th *theatre) { th.after(2 * time.Minute) },
		"cannot": func(th *theatre) {},
	}
	for name, broken := range breakers {
		t.Run(name, func(t *testing.T) {
			th := newTheatre(t, generation(1, 3))
			th.readyAll()
			for pid := range th.alive {
				th.alive[pid].vitals = vitals{beats: true, heartbeat: forever}
			}
			if name == "cannot" {
				th.failing = syscall.ENOENT
			}
			th.fleet.reload(generation(2, 5), false, "", th.now)
			th.pass()
			broken(th)
			if _, _, gens := th.serving(); !slices.Equal(gens, []int{1, 1, 1}) {
				t.Fatalf("generations %v serve, want three of 1", gens)
			}
			if th.fleet.candidate != nil || th.fleet.reloaded.lastFault == "" {
				t.Fatalf("candidate %v, fault %q; want the reload given up with its reason", th.fleet.candidate, th.fleet.reloaded.lastFault)
			}
			if th.signalled(101, syscall.SIGTERM) {
				t.Fatal("an old worker was told to go")
			}
			for pid, p := range th.alive {
				if p.gen == 2 && len(p.signals) == 0 {
					t.Errorf("worker %d of the failed generation was left alone", pid)
				}
			}
		})
	}
}

func TestCrashDuringReloadIsRestarted(t *testing.T) {
	th := newTheatre(t, generation(1, 2))
	th.readyAll()
	th.after(2 * time.Second)
	th.fleet.reload(generation(2, 2), false, "", th.now)
	th.pass()
	th.exit(101, syscall.WaitStatus(syscall.SIGSEGV))
	if p := th.alive[th.lastPID]; p.gen != 1 || p.id != 1 {
		t.Fatalf("after the crash worker %d of generation %d was started, want worker 1 of 1", p.id, p.gen)
	}
}

func TestWornWorkersAreReplacedOneByOne(t *testing.T) {
	gen := generation(1, 8)
	gen.Settings.MaxRequests = 10
	th := newTheatre(t, gen)
	th.readyAll()
	for _, p := range th.alive {
		p.limit = 10
		p.vitals = vitals{requests: 10, beats: true, heartbeat: forever}
	}
	th.after(time.Second)
	if extra := len(th.alive) - 8; extra != 2 {
		t.Fatalf("%d successors were started for 8 worn workers, want 2 (a quarter)", extra)
	}
	if len(th.fleet.leaving) != 0 {
		t.Fatal("a worn worker was told to go before its successor was ready")
	}
	th.readyAll()
	if n := len(th.fleet.leaving); n != 1 {
		t.Fatalf("%d workers leave at once, want 1", n)
	}
	for range 8 {
		th.leaveAll()
		th.readyAll()
	}
	for _, p := range th.alive {
		if p.limit != 0 {
			t.Fatalf("worker %d, pid %d, was never replaced", p.id, p.pid)
		}
	}
}

// Whatever happens in whatever order, the fleet comes to rest with as many
// ready workers as are wanted, never drops below the positions it has without
// cause, and leaves nobody behind.
func TestFleetSurvivesAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		th := newTheatre(t, generation(1, rapid.IntRange(1, 5).Draw(t, "workers")))
		th.readyAll()
		number := 1
		pick := func() int {
			var pids []int
			for pid := range th.alive {
				pids = append(pids, pid)
			}
			if len(pids) == 0 {
				return 0
			}
			slices.Sort(pids)
			return rapid.SampledFrom(pids).Draw(t, "pid")
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"die", "ready", "time", "ttin", "ttou", "hup", "winch", "retire", "stopping", "hang"}).Draw(t, "event") {
			case "die":
				if pid := pick(); pid != 0 {
					th.exit(pid, syscall.WaitStatus(syscall.SIGKILL))
				}
			case "ready":
				th.say(pick(), "READY", "1")
			case "retire":
				th.say(pick(), wire.NotifyRetire, "max_requests")
			case "stopping":
				th.say(pick(), "STOPPING", "1")
			case "hang":
				if pid := pick(); pid != 0 {
					th.alive[pid].vitals = vitals{requestStart: th.now}
				}
			case "time":
				th.after(time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "d")))
			case "ttin":
				th.act(signals.Increase)
			case "ttou":
				th.act(signals.Decrease)
			case "winch":
				th.act(signals.Drain)
			case "hup":
				number++
				gen := generation(number, rapid.IntRange(1, 5).Draw(t, "workers"))
				gen.Settings.Reload = Reload{
					Rolling: rapid.Bool().Draw(t, "rolling"), Batch: rapid.IntRange(0, 3).Draw(t, "batch"),
					Pause:  time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "pause")),
					Canary: time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "canary")),
				}
				th.fleet.reload(gen, rapid.Bool().Draw(t, "together"), "", th.now)
				th.pass()
			}
			seen := map[int]bool{}
			for _, w := range th.fleet.workers() {
				if seen[w.pid] {
					t.Fatalf("worker %d stands in two places", w.pid)
				}
				seen[w.pid] = true
			}
			if len(seen) != len(th.alive) {
				t.Fatalf("the fleet knows %d processes, %d are alive", len(seen), len(th.alive))
			}
		}
		if th.fleet.phase == idle {
			number++
			th.fleet.reload(generation(number, 2), false, "", th.now)
			th.pass()
		}
		for range 100 { // the world calms down
			th.after(31 * time.Second)
			for _, p := range th.alive {
				p.vitals = vitals{}
			}
			th.readyAll()
			th.leaveAll()
		}
		pids, _, _ := th.serving()
		if len(pids) != th.fleet.size.target || len(th.alive) != th.fleet.size.target || th.fleet.size.target < 1 {
			t.Fatalf("%d serve, %d alive, %d wanted", len(pids), len(th.alive), th.fleet.size.target)
		}
	})
}

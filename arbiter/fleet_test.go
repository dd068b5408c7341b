package arbiter

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
	"github.com/gonicorn/gonicorn/internal/wire"
	"github.com/gonicorn/gonicorn/signals"
	"pgregory.net/rapid"
)

// puppet is a process that exists only in a test.
type puppet struct {
	pid     int
	id      int
	gen     int
	vitals  vitals
	limit   uint64
	signals []syscall.Signal
	shown   int    // how often it was asked for its stacks
	waits   string // what the kernel says of it
	killed  bool
	halted  string
	app     scoreboard.Histogram
	pending []time.Duration
	share   int
	yield   int
}

// stage is the process control of a fleet under test, with a clock of its own.
type theatre struct {
	t       interface{ Fatalf(string, ...any) }
	now     time.Duration
	fleet   *fleet
	alive   map[int]*puppet
	lastPID int
	failing error // of the next launches
}

func (th *theatre) launch(gen *Generation, id, age int, trial bool) (Place, Process, error) {
	if th.failing != nil {
		return Place{}, Process{}, th.failing
	}
	th.lastPID++
	th.alive[th.lastPID] = &puppet{pid: th.lastPID, id: id, gen: gen.Number}
	return Place{ID: id, Slot: th.lastPID, Generation: gen.Number, Age: age, Trial: trial}, Process{PID: th.lastPID}, nil
}

func (th *theatre) signal(w *worker, sig syscall.Signal) {
	th.alive[w.pid].signals = append(th.alive[w.pid].signals, sig)
}
func (th *theatre) kill(w *worker) { th.alive[w.pid].killed = true }
func (th *theatre) halted(w *worker) string {
	if p := th.alive[w.pid]; p != nil {
		return p.halted
	}
	return ""
}
func (th *theatre) show(w *worker)         { th.alive[w.pid].shown++ }
func (th *theatre) waits(w *worker) string { return th.alive[w.pid].waits }
func (th *theatre) vitals(w *worker) (vitals, uint64) {
	if p := th.alive[w.pid]; p != nil {
		return p.vitals, p.limit
	}
	return vitals{}, 0
}

func (th *theatre) measure(w *worker) (scoreboard.Distribution, []time.Duration) {
	if p := th.alive[w.pid]; p != nil {
		return p.app.Read(), p.pending
	}
	return scoreboard.Distribution{}, nil
}
func (th *theatre) steer(w *worker, share, yield int) {
	if p := th.alive[w.pid]; p != nil {
		p.share, p.yield = share, yield
	}
}

func generation(number, workers int) *Generation {
	return &Generation{Number: number, Settings: Settings{
		Workers: workers, Timeout: 30 * time.Second, BootTimeout: time.Minute,
		GracefulTimeout: 30 * time.Second, RequestAge: true, RequestTimeout: 30 * time.Second, Heartbeat: true,
	}}
}

func newTheatre(t interface{ Fatalf(string, ...any) }, gen *Generation) *theatre {
	th := &theatre{t: t, now: time.Second, alive: map[int]*puppet{}, lastPID: 100}
	th.fleet = newFleet("worker", gen, th, slog.New(slog.NewTextHandler(faults{t}, nil)))
	th.fleet.random = func() float64 { return 0.5 }
	th.pass()
	return th
}

// pass lets the fleet act until it has nothing more to do at this moment.
func (th *theatre) pass() {
	for range 100 {
		if th.fleet.plan(th.now) > th.now {
			return
		}
	}
	th.t.Fatalf("the fleet never comes to rest")
}

func (th *theatre) after(d time.Duration) { th.now += d; th.pass() }

func (th *theatre) say(pid int, key, value string) {
	if w := th.fleet.find(pid, 0); w != nil {
		th.fleet.notified(w, map[string]string{key: value}, th.now)
	}
	th.pass()
}

func (th *theatre) exit(pid int, status syscall.WaitStatus) {
	delete(th.alive, pid)
	e := proc.Exit{PID: pid, Status: status}
	th.fleet.exited(e, e.String(), th.now)
	th.pass()
}

func (th *theatre) act(a signals.Action) { th.fleet.act(a, th.now); th.pass() }

// readyAll makes every booting worker ready.
func (th *theatre) readyAll() {
	for _, w := range th.fleet.workers() {
		if w.stage == booting {
			th.say(w.pid, "READY", "1")
		}
	}
}

// leaveAll ends every worker that was told to go.
func (th *theatre) leaveAll() {
	for _, w := range slices.Clone(th.fleet.leaving) {
		th.exit(w.pid, 0)
	}
}

func (th *theatre) serving() (pids, ids, gens []int) {
	for _, s := range th.fleet.positions {
		if s.current != nil && s.current.stage == ready {
			pids, ids, gens = append(pids, s.current.pid), append(ids, s.id), append(gens, s.current.gen.Number)
		}
	}
	return
}

func (th *theatre) signalled(pid int, sig syscall.Signal) bool {
	p := th.alive[pid]
	return p != nil && slices.Contains(p.signals, sig)
}

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

func TestHungWorkersAreAborted(t *testing.T) {
	for _, c := range []struct {
		name   string
		boot   bool
		vitals func(now time.Duration) vitals
		after  time.Duration
		want   bool
	}{
		{"boot under boot_timeout", true, nil, 59 * time.Second, false},
		{"boot over boot_timeout", true, nil, 61 * time.Second, true},
		{"request under timeout", false, func(n time.Duration) vitals { return vitals{requestStart: n} }, 29 * time.Second, false},
		{"request over timeout", false, func(n time.Duration) vitals { return vitals{requestStart: n} }, 31 * time.Second, true},
		{"heartbeat over timeout", false, func(n time.Duration) vitals { return vitals{beats: true, heartbeat: n} }, 31 * time.Second, true},
		{"pulse over timeout", false, func(n time.Duration) vitals { return vitals{watched: true, pulse: n} }, 32 * time.Second, true},
		{"pulse of a watch that ended", false, func(n time.Duration) vitals { return vitals{pulse: n} }, time.Hour, false},
		{"command without heartbeat", false, func(n time.Duration) vitals { return vitals{heartbeat: n} }, time.Hour, false},
		{"a heartbeat in the future", false, func(n time.Duration) vitals { return vitals{beats: true, heartbeat: forever} }, time.Hour, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			th := newTheatre(t, generation(1, 1))
			if !c.boot {
				th.readyAll()
			}
			if c.vitals != nil {
				th.alive[101].vitals = c.vitals(th.now)
			}
			th.after(c.after)
			if got := th.signalled(101, syscall.SIGABRT); got != c.want {
				t.Fatalf("aborted: %v, want %v", got, c.want)
			}
			if !c.want {
				return
			}
			if th.lastPID == 101 {
				th.after(time.Second) // a hung boot is retried after a delay
			}
			if th.lastPID == 101 {
				t.Error("no successor was started while the hung one shows its stacks")
			}
			th.after(abortGrace)
			if !th.alive[101].killed {
				t.Error("not killed after the grace for its stacks")
			}
		})
	}
}

func TestWatchdogCountsFromItsFirstMessage(t *testing.T) {
	th := newTheatre(t, generation(1, 1))
	th.readyAll()
	th.after(time.Hour)
	th.say(101, "WATCHDOG", "1")
	th.after(29 * time.Second)
	if th.signalled(101, syscall.SIGABRT) {
		t.Fatal("aborted within timeout of its WATCHDOG=1")
	}
	th.after(2 * time.Second)
	if !th.signalled(101, syscall.SIGABRT) {
		t.Fatal("not aborted although WATCHDOG=1 stopped coming")
	}
}

func TestFirstBootGivesUpAfterThreeTries(t *testing.T) {
	th := newTheatre(t, generation(1, 2))
	for range 2 {
		th.exit(th.lastPID, 1<<8)
		th.after(time.Minute)
	}
	if th.fleet.history.gaveUp != nil {
		t.Fatal("gave up after two tries")
	}
	th.exit(th.lastPID, 1<<8)
	if th.fleet.history.gaveUp == nil || th.fleet.history.gaveUp.AppMissing || th.fleet.history.gaveUp.Tries != 3 {
		t.Fatalf("gave up: %+v, want after 3 tries", th.fleet.history.gaveUp)
	}
}

func TestMissingAppGivesUpAtOnce(t *testing.T) {
	th := newTheatre(t, generation(1, 2))
	th.say(101, wire.NotifyError, "app: no module named main")
	th.exit(101, 4<<8)
	if th.fleet.history.gaveUp == nil || !th.fleet.history.gaveUp.AppMissing {
		t.Fatalf("gave up: %+v, want an app that is missing", th.fleet.history.gaveUp)
	}
}

// deprived is the output of a process that got no thread.
type deprived struct{}

func (deprived) Tail() []string        { return nil }
func (deprived) Done() <-chan struct{} { return nil }
func (deprived) Limit() string         { return "a limit" }
func (deprived) Close() error          { return nil }

// At a limit of processes each position tries again after half a second at most, however
// long that lasts, and is not given up; the log names the limit now and then.
func TestLimitOfProcessesIsNoFailure(t *testing.T) {
	for name, failing := range map[string]error{"not forked": syscall.EAGAIN, "without threads": nil} {
		t.Run(name, func(t *testing.T) {
			th := newTheatre(t, generation(1, 1))
			var said strings.Builder
			th.fleet.log = slog.New(slog.NewTextHandler(&said, nil))
			tries := 0
			for until := th.now + 20*time.Second; th.now < until; th.after(limitPause * 5 / 4) {
				for pid := range th.alive {
					if w := th.fleet.find(pid, 0); w != nil {
						w.output = deprived{}
					}
					tries++
					th.failing = failing
					th.exit(pid, 2<<8)
				}
			}
			if failing != nil {
				th.failing = nil
				th.after(limitPause * 5 / 4)
				tries = 40
			}
			if len(th.alive)+tries < 40 || th.fleet.history.gaveUp != nil {
				t.Errorf("%d tries in 20 s, %d processes, given up: %v", tries, len(th.alive), th.fleet.history.gaveUp)
			}
			if len(th.alive) != 1 && failing != nil {
				t.Error("no process although there is room")
			}
			if n := strings.Count(said.String(), "level=ERROR"); n < 1 || n > 4 {
				t.Errorf("%d lines are errors:\n%s", n, said.String())
			}
		})
	}
}

func TestOnceReadyItNeverGivesUp(t *testing.T) {
	th := newTheatre(t, generation(1, 1))
	th.readyAll()
	for range 20 {
		th.exit(th.lastPID, 1<<8)
		th.after(time.Minute)
	}
	if th.fleet.history.gaveUp != nil || len(th.alive) != 1 {
		t.Fatalf("gave up: %v, %d processes; want to go on", th.fleet.history.gaveUp, len(th.alive))
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

func TestHaltedWorkerIsReplacedWithinItsTimeout(t *testing.T) {
	th := newTheatre(t, generation(1, 2))
	th.readyAll()
	pids, _, _ := th.serving()
	th.alive[pids[0]].halted = "stopped by a signal (SIGSTOP)"
	began := th.now
	for !th.signalled(pids[0], syscall.SIGABRT) {
		if th.after(time.Second); th.now-began > 30*time.Second {
			t.Fatal("a worker that stands still is not noticed within timeout")
		}
	}
	if took := th.now - began; took < 20*time.Second {
		t.Errorf("a worker that was stopped for %s only was given up", took)
	}
	if th.signalled(pids[1], syscall.SIGABRT) {
		t.Error("the other one was given up too")
	}
}

// One that stands still with a request in flight, or that has only just given its
// answer, says so too: it is no fault of the request's.
func TestHaltedWorkerWithARequestSaysSo(t *testing.T) {
	w := &worker{stage: ready, gen: generation(1, 1)}
	v, now := vitals{requestStart: time.Second, inFlight: 1}, time.Minute
	if why := hung(w, v, now); why != "a request has been running for 59s (request_timeout 30s)" {
		t.Error(why)
	}
	w.halted.since, w.halted.why = 50*time.Second, "stopped by a signal (SIGSTOP)"
	if why := hung(w, v, now); why != "a request has been running for 59s (request_timeout 30s); the process is stopped by a signal (SIGSTOP)" {
		t.Error(why)
	}
}

func TestWorkerThatRunsAgainIsLeftAlone(t *testing.T) {
	th := newTheatre(t, generation(1, 1))
	th.readyAll()
	pids, _, _ := th.serving()
	for range 10 {
		th.alive[pids[0]].halted = "stopped by a signal (SIGSTOP)"
		th.after(15 * time.Second)
		th.alive[pids[0]].halted = ""
		th.after(15 * time.Second)
	}
	if th.signalled(pids[0], syscall.SIGABRT) {
		t.Error("a worker that was stopped for half its timeout at a time was given up")
	}
}

func TestWorkerThatHangsWhileItDrainsIsNotWaitedFor(t *testing.T) {
	for name, v := range map[string]vitals{
		"request":   {inFlight: 1, requestStart: time.Second},
		"heartbeat": {inFlight: 1, beats: true, heartbeat: time.Second},
	} {
		gen := generation(1, 1)
		gen.Settings.Timeout, gen.Settings.RequestTimeout, gen.Settings.GracefulTimeout = 2*time.Second, 2*time.Second, time.Hour
		th := newTheatre(t, gen)
		th.readyAll()
		pids, _, _ := th.serving()
		th.alive[pids[0]].vitals = v
		th.act(signals.Stop)
		for range 8 {
			th.after(time.Second / 2)
		}
		if !th.signalled(pids[0], syscall.SIGABRT) {
			t.Errorf("%s: the worker hangs and is waited for", name)
		}
	}
}

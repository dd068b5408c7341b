package arbiter

import (
	"log/slog"
	"slices"
	"syscall"
	"time"

	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
	"github.com/gonicorn/gonicorn/signals"
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

func (th *theatre) show(w *worker) { th.alive[w.pid].shown++ }

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

package arbiter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	"github.com/gonicorn/gonicorn/internal/scoreboard"
)

// forever is a wake-up time that never comes.
const forever = time.Duration(math.MaxInt64)

// processControl carries out what a fleet decides. kernel is the real one; a test
// has one that records the calls.
type processControl interface {
	// launch starts a worker and returns its place. It may return errBusy, which
	// means: ask again in the next pass.
	launch(gen *Generation, id, age int, trial bool) (Place, Process, error)
	// signal sends sig to the process.
	signal(w *worker, sig syscall.Signal)
	// kill ends the whole process group.
	kill(w *worker)
	// show makes a worker write the stacks of its threads. The worker keeps running.
	show(w *worker)
	// waits returns the kernel's view of a process: its state, and where in the
	// kernel it waits.
	waits(w *worker) string
	// vitals reads the worker's slot.
	vitals(w *worker) (v vitals, maxRequests uint64)
	// halted says why the kernel does not run the process; empty if it may run.
	halted(w *worker) string
	// measure reads how long the worker's requests took, and the ages of the
	// requests without an answer so far.
	measure(w *worker) (app scoreboard.Distribution, pending []time.Duration)
	// steer tells a worker that accepts connections itself to take only a share
	// of them, per mille, or to leave a share to a worker on trial; 0 is no bound.
	steer(w *worker, share, yield int)
}

// laterPause is the time between two tries to start a process after ErrLater.
const laterPause = 200 * time.Millisecond

// phase is what the fleet as a whole is doing.
type phase int

const (
	serving  phase = iota
	idle           // WINCH: no workers until the next reload
	stopping       // TERM: gone once the workers have finished
	quitting       // INT, QUIT: gone at once
)

// fleet holds the workers of one role and decides what becomes of them. It
// does no I/O and reads no clock: every method takes the time.
type fleet struct {
	role      string
	log       *slog.Logger
	procs     processControl
	random    func() float64 // 0 to 1
	hooks     fleetHooks
	stalls    stallLog
	phase     phase
	size      size
	positions []*position
	leaving   []*worker // told to go, or dying; not handled as ended yet
	current   *Generation
	candidate *rollout // a reload in progress, or nil
	history   history
	reloaded  reloaded

	// blindUntil is the time before which no worker counts as hung. It is set
	// when the arbiter itself did not run for a while: the workers' signs of life
	// may still be queued.
	blindUntil time.Duration
}

// fleetHooks are the functions that a fleet calls to ask and to report.
type fleetHooks struct {
	// retired is told of every generation that is no longer wanted.
	retired func(*Generation)
	// termWaitFor says what must happen before a leaving worker is sent TERM.
	termWaitFor func(*worker) termWait
	// mayCommit says whether a ready candidate may take over. failed is told of
	// a candidate that was given up.
	mayCommit func() bool
	failed    func(why string)
	observer  func(Happening) // may be nil
}

// size is how many positions a fleet should have.
type size struct {
	target   int
	floor    int // how much an operator has raised or lowered workers_min
	observed int // the target that the observer was told last
}

// history is what has become of a fleet's processes.
type history struct {
	starts    int // processes ever started; the next one's Age is one more
	restarts  int // starts that replaced a lost worker
	everReady bool
	allReady  bool // every position has been ready at the same time
	gaveUp    *BootError
	ends      map[string]int // counts workers that have ended, by reason
	bootTime  time.Duration  // how long the last worker took to become ready
	limited   time.Duration  // when a log line is next due that names a limit of processes
}

// limitLevel is the level of a line about a limit of processes: as long as it lasts, one
// now and then is enough.
func (h *history) limitLevel(now time.Duration) slog.Level {
	if now < h.limited {
		return slog.LevelDebug
	}
	h.limited = now + limitEvery
	return slog.LevelError
}

// reloaded is what has become of a fleet's reloads.
type reloaded struct {
	times     int       // reloads that succeeded
	failures  int       // reloads that failed
	lastFault string    // why the last reload failed; empty once one succeeded
	lastNote  string    // what the operator should know about the last reload that succeeded
	stale     string    // why the current generation cannot be started again; empty if it can
	outcomes  []outcome // not reported yet
}

func newFleet(role string, gen *Generation, h processControl, log *slog.Logger) *fleet {
	return &fleet{
		role: role, log: log, procs: h, random: rand.Float64, current: gen,
		hooks: fleetHooks{
			retired: func(*Generation) {}, termWaitFor: func(*worker) termWait { return noWait }, mayCommit: func() bool { return true }, failed: func(string) {},
		},
		size: size{target: gen.Settings.Workers}, history: history{ends: map[string]int{}},
	}
}

// plan takes the next steps towards what is wanted, and returns when it must be
// called again at the latest.
func (f *fleet) plan(now time.Duration) time.Duration {
	wake, before := f.watch(now), f.history.starts
	if f.phase == serving && f.history.gaveUp == nil {
		f.observeWanted()
		f.fitPositions(now)
		wake = min(wake, f.replaceWorn(now), f.fillPositions(now), f.advance(now))
	}
	if f.history.starts != before {
		return now // watch the new ones from their first moment
	}
	return min(wake, f.enforce(now))
}

// start launches one worker for the position. If that fails, it returns nil and
// whether to try again at once.
func (f *fleet) start(s *position, gen *Generation, now time.Duration) (w *worker, again bool) {
	place, process, err := f.procs.launch(gen, s.id, f.history.starts+1, s.trial)
	if errors.Is(err, errBusy) {
		return nil, true
	}
	if errors.Is(err, ErrLater) {
		f.log.Debug("cannot start "+f.role+" yet", f.role, s.id, "error", err)
		s.notBefore = now + laterPause
		return nil, false
	}
	f.history.starts++
	if errors.Is(err, syscall.EAGAIN) {
		s.notBefore = now + limitDelay(f.random())
		f.log.Log(context.Background(), f.history.limitLevel(now), "cannot start "+f.role+": trying again", f.role, s.id,
			"error", err, "code", "GON041")
		return nil, false
	}
	if err != nil {
		f.log.Error("cannot start "+f.role, f.role, s.id, "error", err)
		f.vacated(s, &worker{place: Place{ID: s.id}, gen: gen, said: said{fault: err.Error()}}, now)
		return nil, false
	}
	w = &worker{
		place: place, gen: gen, pid: process.PID, output: process.Output, stage: booting, started: now,
		reach: reach{probed: process.Probe != nil, unready: process.Unready}, oomKills: process.OOMKills,
	}
	if life := gen.Settings.MaxLifetime; life > 0 {
		w.leaving.expires = now + life + time.Duration(f.random()*float64(gen.Settings.MaxLifetimeJitter))
	}
	f.log.Info(f.role+" started", f.role, s.id, "pid", w.pid, "generation", gen.Number)
	f.observe(WorkerStarted, w, "", now)
	return w, false
}

// mayBeStale checks whether a worker of the current generation did not become
// ready after a reload had failed. Then the broken code or environment of that
// reload has probably replaced what this generation was started from. The workers
// that serve are better than any new ones, so they are not replaced.
func (f *fleet) mayBeStale(w *worker) {
	if f.reloaded.stale != "" || f.reloaded.lastFault == "" || w.gen != f.current || w.readyAt > 0 || !f.history.everReady {
		return
	}
	f.reloaded.stale = fmt.Sprintf("worker %d did not start: %s", w.place.ID, cmp.Or(w.said.fault, w.leaving.because.String()))
	f.log.Error("the generation that serves cannot be started again, probably because the code of the reload that failed is in its place: "+
		"workers that serve go on and are not replaced; mend the code and reload",
		"generation", f.current.Number, f.role, w.place.ID, "reason", cmp.Or(w.said.fault, w.leaving.because.String()), "code", "GON045")
}

// workers lists every process of the fleet.
func (f *fleet) workers() []*worker {
	all := slices.Clone(f.leaving)
	for _, s := range f.positions {
		if s.current != nil {
			all = append(all, s.current)
		}
		if s.next != nil {
			all = append(all, s.next)
		}
	}
	return all
}

// find returns the worker with this pid or process group, or nil.
func (f *fleet) find(pid, pgid int) *worker {
	for _, w := range f.workers() {
		if w.pid == pid || (pgid != 0 && w.pid == pgid) {
			return w
		}
	}
	return nil
}

// empty reports whether no process is left.
func (f *fleet) empty() bool {
	return len(f.workers()) == 0
}

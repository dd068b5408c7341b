package arbiter

import (
	"context"
	"log/slog"
	"runtime"
	"slices"
	"time"

	"github.com/gonicorn/gonicorn/internal/notify"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
	"github.com/gonicorn/gonicorn/internal/wire"
	"github.com/gonicorn/gonicorn/signals"
)

// Loaded is the result of reading the config.
type Loaded struct {
	// Workers is the generation that runs the app.
	Workers *Generation
	// Front is the gateway's generation; nil keeps the gateway that runs.
	Front *Generation
	// NoTrial says why no canary can serve beside the old workers. It is empty
	// if one can.
	NoTrial string
}

// Options is what an Arbiter needs. The arbiter borrows the board, the register, the
// notifications and the log; their owner closes them after Run.
type Options struct {
	Board *scoreboard.Board
	// Children is where the arbiter records the processes that it has started, for the guard.
	Children *scoreboard.Register
	Notes    <-chan notify.Message
	Log      *slog.Logger
	// Actions are the operator's signals. The arbiter needs Child among them.
	Actions <-chan signals.Action
	// First is what to start with. Guard and Monitor, which may be nil, are
	// started before everything else and ended after it.
	First          Loaded
	Guard, Monitor *Generation
	// Load reads the config again for generation number. It is called from
	// another goroutine than the loop and may take long.
	Load func(ctx context.Context, number int) (Loaded, error)
	// Publish, which may be nil, gets all workers that serve or still finish,
	// whenever that changes. It is called from the loop and must not block.
	Publish func([]Peer)
	// Ended, which may be nil, is told of each worker that has ended, and how if
	// its requests may be the cause. It is called from the loop and must not
	// block.
	Ended func(wire.Ended)
	// Forsake, which may be nil, is told of a leaving worker that no gateway
	// uses: the worker must not wait for one. It is called from the loop and must
	// not block.
	Forsake func(Place)
	// Observe, which may be nil, is told what happens to the workers. It is
	// called from the loop and must not block.
	Observe func(Happening)
	// Upgrade, which may be nil, starts another binary beside this one. It is
	// called from the loop and must not block.
	Upgrade func()
	// Tell, which may be nil, sends the service manager a state (sd_notify(3)).
	// It is called from the loop and must not block.
	Tell func(state ...string)
	// Watchdog is how often the service manager wants a sign of life; 0 is
	// never.
	Watchdog time.Duration
	// Refuse, which may be nil, is called once when the arbiter begins to stop:
	// from then on no connections are accepted. It is called from the loop and
	// must not block.
	Refuse func()
	// Reopen opens the log files again. It is called from another goroutine.
	Reopen func() error
	// Ready is called once, from the loop, when the first generation serves.
	Ready func()
	// ReapAll also reaps children that the arbiter did not start. PID 1 and a
	// subreaper must do that; a library in another program's process must not.
	ReapAll bool
	// Helpers, which may be nil, are children that somebody else waits for.
	Helpers *proc.Helpers
	// OnTerminal ignores WINCH, because a terminal sends it whenever its window
	// changes.
	OnTerminal bool
}

// Arbiter supervises one app. Its state belongs to the goroutine in Run.
type Arbiter struct {
	Options
	workers, front *fleet   // front may be nil
	beside         []*fleet // the guard and the monitor
	children       children
	loop           loop

	number    int // of the newest generation
	reloads   reloads
	frontNext *Generation   // the gateway that takes over together with the candidate, until it is started
	released  []*Generation // no longer wanted; may still have processes
	published []Peer
	herald    herald
	scaling   scaling
	memory    memory
	ending    ending
}

// loop is what the one goroutine runs on.
type loop struct {
	events       chan event
	done         chan struct{} // closed when Run returns: nobody receives events any more
	longestPause time.Duration // the longest time that one event took
}

// children manages this process's children.
type children struct {
	kernel     *kernel
	reaper     *proc.Reaper
	oom        *proc.OOM
	stragglers []straggler
}

// scaling is how the number of workers follows the load.
type scaling struct {
	scaler  scaler
	next    time.Duration // when to look at the load next
	watched time.Duration // until when somebody is thought to look at the status
}

// memory is what is known of the workers' memory.
type memory struct {
	use      memoryUse     // when last measured
	sampling bool          // it is being measured
	next     time.Duration // when to measure next
	warned   *Generation   // for which it was logged that memory_budget is too small
	recycled time.Duration // when a worker was last replaced for the memory budget
}

// ending is the progress of the start and of the stop.
type ending struct {
	readyCalled bool
	refuses     bool          // Refuse was called
	emptying    bool          // WINCH: the workers go once the gateway is gone
	by          time.Duration // deadline of a graceful stop; 0 before it begins
}

// New makes an arbiter. Nothing is started before Run.
func New(o Options) *Arbiter {
	a := &Arbiter{
		Options:  o,
		children: children{reaper: proc.NewReaper(o.ReapAll, o.Helpers), oom: proc.NewOOM()},
		loop:     loop{events: make(chan event), done: make(chan struct{})},
		number:   o.First.Workers.Number,
	}
	a.children.kernel = newKernel(o.Board, o.Children, a.children.reaper)
	a.children.kernel.post = a.post
	a.workers = a.fleet("worker", o.First.Workers)
	a.workers.hooks.observer = o.Observe
	if o.First.Front != nil {
		a.front = a.fleet("gateway", o.First.Front)
		a.couple()
	}
	if o.Guard != nil {
		a.beside = append(a.beside, a.fleet("guard", o.Guard))
	}
	if o.Monitor != nil {
		a.beside = append(a.beside, a.fleet("monitor", o.Monitor))
	}
	return a
}

func (a *Arbiter) fleet(role string, gen *Generation) *fleet {
	f := newFleet(role, gen, a.children.kernel, a.Log)
	f.hooks.retired = func(g *Generation) { a.released = append(a.released, g) }
	return f
}

// fleets lists the fleets in the order in which they start.
func (a *Arbiter) fleets() []*fleet {
	all := append(slices.Clone(a.beside), a.workers)
	if a.front != nil {
		all = append(all, a.front)
	}
	return all
}

// Run supervises until it is told to stop, by a signal or by the context, and
// every process that it started is gone. It returns a *BootError when the first
// generation never became ready, and nil otherwise.
func (a *Arbiter) Run(ctx context.Context) error {
	defer close(a.loop.done)
	ctxDone := ctx.Done()
	timer := time.NewTimer(0)
	defer timer.Stop()
	wake := now()
	for {
		var e event
		select {
		case <-timer.C:
			e = tick{}
		case action := <-a.Actions:
			e = signalled{action}
		case m := <-a.Notes:
			e = notified{m}
		case e = <-a.loop.events:
		case <-ctxDone:
			ctxDone = nil
			e = signalled{signals.Stop}
		}
		began := now()
		if late := began - wake; late > time.Second {
			a.blind(began + time.Second)
		}
		a.handle(ctx, e, began)
		wake = a.plan(ctx, began)
		if a.finished() {
			a.releaseAll()
			return a.verdict()
		}
		timer.Reset(max(0, wake-now()))
		a.loop.longestPause = max(a.loop.longestPause, now()-began)
	}
}

// plan lets every fleet act and returns when the loop must wake at the latest.
func (a *Arbiter) plan(ctx context.Context, now time.Duration) time.Duration {
	a.children.kernel.beginPass()
	a.stopInOrder(now)
	a.emptyInOrder(now)
	a.startFront(now)
	wake := a.scaleToLoad(now)
	for _, f := range a.fleets() {
		wake = min(wake, f.plan(now))
	}
	if a.gaveUp() != nil && a.ending.by == 0 {
		a.beginStop(now)
		wake = now
	}
	if (a.workers.history.allReady || a.workers.size.target == 0) && (a.front == nil || a.front.history.allReady) && !a.ending.readyCalled {
		a.ending.readyCalled = true
		if a.Ready != nil {
			a.Ready()
		}
	}
	if a.reloads.wanted && !a.reloads.loading && a.workers.phase <= idle {
		a.load(ctx)
	}
	a.answerReloads()
	a.release()
	a.publish()
	return min(wake, a.tell(now), a.sample(now), a.sweep(now))
}

func (a *Arbiter) verdict() error {
	if a.Log.Enabled(context.Background(), slog.LevelDebug) {
		var memory runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&memory)
		a.Log.Debug("arbiter ends", "longest_pause", a.loop.longestPause, "goroutines", runtime.NumGoroutine(), "heap_objects", memory.HeapObjects)
	}
	if e := a.gaveUp(); e != nil {
		return e
	}
	return nil
}

func (a *Arbiter) gaveUp() *BootError {
	for _, f := range a.fleets() {
		if f.history.gaveUp != nil {
			return f.history.gaveUp
		}
	}
	return nil
}

func (a *Arbiter) blind(until time.Duration) {
	for _, f := range a.fleets() {
		f.blindUntil = until
	}
}

// release calls Released of the generations that are no longer wanted and have
// no process left.
func (a *Arbiter) release() {
	kept := a.released[:0]
	for _, g := range a.released {
		inUse := false
		for _, f := range a.fleets() {
			for _, w := range f.workers() {
				inUse = inUse || w.gen == g
			}
		}
		if inUse {
			kept = append(kept, g)
		} else if g.Released != nil {
			g.Released()
		}
	}
	a.released = kept
}

func (a *Arbiter) releaseAll() {
	a.release()
	for _, f := range a.fleets() {
		if f.current.Released != nil {
			f.current.Released()
		}
	}
}

// now is the time that scoreboards use.
func now() time.Duration { return time.Duration(scoreboard.Now()) }

package arbiter

import "time"

// termWait says what the TERM of a worker that leaves waits for.
type termWait int

const (
	noWait     termWait = iota
	untilIdle           // the gateway has nothing in flight there any more
	untilAlone          // the old gateway, which still uses it, is gone
)

// worker is one process, from its start to its reaping.
type worker struct {
	place   Place
	gen     *Generation
	pid     int
	output  Output
	stage   stage
	started time.Duration
	readyAt time.Duration // 0 until ready
	leaving leaving
	said    said
	reach   reach
	halted  halted
	usage   usage

	oomKills func() int // see Process; may be nil
	reaped   bool       // the pid is free for others
}

// leaving is why and how a worker goes.
type leaving struct {
	because  reason        // it was told to go, or is gone
	wanted   reason        // it should be replaced once a successor is ready
	planned  bool          // it leaves because of its age, requests or memory
	hung     bool          // it gave no sign of life
	origin   bool          // it is to leave a copy when it is replaced: see Refork
	killed   bool          // SIGKILL was ours
	forsaken bool          // Forsake was called
	termWait termWait      // what its TERM waits for
	expires  time.Duration // when max_lifetime is over; 0 never
	deadline time.Duration // draining, aborting: when the group is killed
}

// said is what a worker has said of itself (sd_notify(3)).
type said struct {
	ready    bool          // READY=1
	status   string        // STATUS=
	fault    string        // why it cannot start
	watchdog time.Duration // last WATCHDOG=1; 0 if it never sent one
}

// reach is how requests come to a worker.
type reach struct {
	endpoint Endpoint // where it accepts; empty until its probe has found out
	probed   bool     // it has a probe
	public   bool     // a gateway may give it requests though it is only next in its position
	share    int      // of the requests, per mille, while it is on trial
	unready  string   // what to say when it is never ready
}

// halted says that the kernel does not run a worker.
type halted struct {
	why   string        // empty while it may run
	since time.Duration // when that was first seen
	look  time.Duration // when to look again
}

// usage is what a worker's process group takes.
type usage struct {
	rss      int64         // bytes when last measured
	cpu      float64       // share of one CPU that it took lately
	cpuTime  time.Duration // that it had taken when last measured
	measured time.Duration // when that was
}

// position is a place for one worker: an ID that worker and successor share.
type position struct {
	id      int
	current *worker // serves; nil while none does
	next    *worker // on its way to replace current; nil if none is
	fresh   bool    // exists only for the candidate generation
	trial   bool    // the canary's

	restart   restart
	notBefore time.Duration // no start before this
}

// straggler is what is left of a process group whose leader has died.
type straggler struct {
	id       int // of the worker it belonged to
	pgid     int
	deadline time.Duration
	output   Output
}

// hint is what to say of a worker that is never ready.
func (w *worker) hint() string {
	if w.reach.unready == "" {
		return ""
	}
	return ": " + w.reach.unready
}

// end says in a word or two why a worker has ended, for counting.
func (w *worker) end() string {
	if w.leaving.hung {
		return byHanging.String()
	}
	return w.leaving.because.cause.String()
}

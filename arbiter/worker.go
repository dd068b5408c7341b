package arbiter

import "time"

// termWait says what must happen before a leaving worker is sent TERM.
type termWait int

const (
	noWait     termWait = iota
	untilIdle           // the gateway has nothing in flight at the worker
	untilAlone          // the old gateway, which still uses the worker, is gone
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
	reaped   bool       // the kernel may reuse the pid
}

// limit names the limit because of which the process got no thread; empty if it got all.
func (w *worker) limit() string {
	if w.output == nil {
		return ""
	}
	return w.output.Limit()
}

// starved reports whether the process has ended before it was ready because it got no
// thread.
func (w *worker) starved() bool { return w.readyAt == 0 && w.limit() != "" }

// leaving is why and how a worker leaves.
type leaving struct {
	because  reason        // why it was told to go, or ended
	wanted   reason        // why it should be replaced, once a successor is ready
	planned  bool          // it leaves because of its age, requests or memory
	hung     bool          // it gave no sign of life
	origin   bool          // it must leave a copy when it is replaced: see Refork
	killed   bool          // we sent the SIGKILL
	forsaken bool          // Forsake was called
	termWait termWait      // what must happen before it gets its TERM
	expires  time.Duration // when max_lifetime ends; 0: never
	deadline time.Duration // draining, aborting: when the group is killed
}

// said is what a worker has reported about itself (sd_notify(3)).
type said struct {
	ready    bool          // READY=1
	status   string        // STATUS=
	fault    string        // why it cannot start
	watchdog time.Duration // last WATCHDOG=1; 0 if it never sent one
}

// reach is how requests come to a worker.
type reach struct {
	endpoint Endpoint // where it accepts connections; empty until its probe has found out
	probed   bool     // it has a probe
	public   bool     // a gateway may send it requests although it is only the next worker of its position
	share    int      // of requests, per mille, while it is on trial
	unready  string   // what to say if it never becomes ready
}

// halted says whether the kernel does not run a worker, and since when.
type halted struct {
	why   string        // empty if it may run
	since time.Duration // when that was first seen
	look  time.Duration // when to look again
}

// usage is what a worker's process group uses.
type usage struct {
	rss      int64         // bytes when last measured
	cpu      float64       // share of one CPU that it used lately
	cpuTime  time.Duration // used up to the last measurement
	measured time.Duration // when that was
}

// position holds one worker: its ID passes from a worker to its successor.
type position struct {
	id      int
	current *worker // boots or serves; nil if there is none
	next    *worker // will replace current; nil if there is none
	fresh   bool    // exists only for the candidate generation
	trial   bool    // the canary's position

	restart   restart
	notBefore time.Duration // start no worker before this
}

// straggler is what is left of a process group whose leader has died.
type straggler struct {
	id       int // of the worker that it belonged to
	pgid     int
	deadline time.Duration
	output   Output
}

// hint is what to say of a worker that never becomes ready.
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

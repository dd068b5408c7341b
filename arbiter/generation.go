package arbiter

import (
	"context"
	"time"
)

// Settings is what the arbiter needs of a config. Zero durations switch the
// check off that they bound, unless said otherwise.
type Settings struct {
	Workers         int           // how many workers are wanted
	Timeout         time.Duration // a worker that gives no sign of life for so long is hung
	BootTimeout     time.Duration // a worker that is not ready for so long is hung
	GracefulTimeout time.Duration // between TERM and KILL; 0 kills at once

	// ReadyAfter is how long a worker must live to count as ready when it
	// does not say so itself; 0 waits for its READY=1.
	ReadyAfter time.Duration
	// Notifies says that the worker tells when it is ready. One that is probed
	// as well must do both.
	Notifies bool
	Capacity int // requests that one worker holds at once
	// Gated says that a gateway carries requests to the worker: one that hangs
	// in a request gets no more, and may finish its others first.
	Gated bool
	// TrialPipe says that a worker on trial takes its requests from a pipe of
	// its own: that must be empty before it is told to go.
	TrialPipe bool
	// DrainFirst keeps the TERM from a worker behind the gateway until it has
	// nothing in flight: a program that ends at TERM loses nothing then.
	DrainFirst bool
	// Heartbeat says that a process shows a sign of life within Timeout.
	Heartbeat bool
	// RequestAge says that a request holds a thread of the worker, or all of it:
	// one that is older than RequestTimeout hangs. 0 is no bound.
	RequestAge     bool
	RequestTimeout time.Duration

	MaxRequests         int           // retire a worker after so many requests
	MaxRequestsJitter   int           // plus a random number up to this
	MaxMemory           int64         // retire a worker whose group has so many resident bytes
	MaxLifetime         time.Duration // retire a worker of this age
	MaxLifetimeJitter   time.Duration // plus a random time up to this
	RestartImmediately  bool          // restart without delay if it had ever been ready (the gateway)
	RestartNeverGivesUp bool          // a first boot that keeps failing does not end gonicorn
	ShowsStacks         bool          // the process writes its stacks when it is asked, and goes on
	Interpreter         bool          // it runs Python, whose interpreter has a pulse on the slot
	ReopensLogs         bool          // the process takes USR1, which ends a command that does not know it

	Elastic Elastic // bounds for the number of workers that follows the load

	Reload Reload // how this generation takes over from the one before
}

// Reload is how a generation takes over from the one before.
type Reload struct {
	// Rolling exchanges Batch workers at a time, with Pause between two
	// batches; a Batch of 0 is a quarter of them. Otherwise all take over at
	// once, when all are ready.
	Rolling bool
	Batch   int
	Pause   time.Duration
	// Canary is how long the first new worker serves beside the old ones before
	// any of those goes; 0 is no canary. When it is lost, or judge finds it worse
	// than the others, the reload is given up: its share of 5xx, in per cent, may
	// be CanaryErrors above theirs, and its requests may take CanarySlowdown times
	// as long. A verdict needs CanaryLeast answers.
	Canary         time.Duration
	CanaryErrors   int
	CanarySlowdown float64
	CanaryLeast    int
	// Blind says that nobody counts a worker's answers. FewAtOnce says that
	// workers accept connections themselves, so that a canary's share is what
	// the others leave to it.
	Blind, FewAtOnce bool
}

// Launcher starts worker processes of one generation. It is called only from
// the loop, so implementations need no locking.
type Launcher interface {
	// Launch starts a process, the leader of a process group of its own, and
	// returns without waiting for it to be ready. The arbiter reaps it.
	Launch(p Place) (Process, error)
}

// Place is where on the board, and as whom, a worker starts.
type Place struct {
	ID         int // 1..N, reused by a successor
	Slot       int // of the scoreboard; its PID, StartTicks, Started and State are written by the arbiter
	Generation int
	Age        int  // counts starts, from 1
	Trial      bool // it serves beside the generation before, with a share of the requests
}

// Process is a started process.
type Process struct {
	PID    int
	Output Output // may be nil
	// Forked is not nil where a template has forked the process, which is app
	// code and may name anybody's pid. It is called once the process has proved
	// to be a new child of this one.
	Forked func()
	// OOMKills, which may be nil, counts processes of the worker that were
	// killed because the worker's own memory limit was reached.
	OOMKills func() int
	// Probe, which may be nil, waits until the process accepts connections and
	// says where. It is called away from the loop; its context ends with the
	// process.
	Probe func(ctx context.Context) (Endpoint, error)
	// Unready is what to say of a process that is never ready: what it was
	// given, and what to do.
	Unready string
	// Guards says that the process ends the others when the arbiter was killed.
	Guards bool
}

// Endpoint is where a worker accepts connections.
type Endpoint struct {
	Network string // tcp or unix
	Address string
}

// Peer is a worker as the gateway must know it.
type Peer struct {
	Place
	Endpoint
	PID      int
	Capacity int
	Draining bool // gets nothing new
	Share    int  // of requests, per mille, of a worker on trial; 0 is no bound
}

// Output is what a process has written.
type Output interface {
	// Tail returns the last lines.
	Tail() []string
	// Done is closed when everything written has been logged.
	Done() <-chan struct{}
	// Close stops reading and frees the pipe.
	Close() error
}

// Generation is one version of code and config: what a reload exchanges.
type Generation struct {
	Number   int
	Settings Settings
	Launcher Launcher
	Refork   Refork // nil where no worker becomes the origin of others
	// Adopted runs once the generation serves alone. Released runs when no
	// process of it is left and it is not wanted any more. Either may be nil.
	Adopted, Released func()
}

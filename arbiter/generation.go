package arbiter

import (
	"context"
	"time"
)

// Settings is the part of a config that the arbiter needs. A duration of zero
// switches its check off, unless stated otherwise.
type Settings struct {
	Workers         int           // how many workers are wanted
	Timeout         time.Duration // a worker that gives no sign of life for this long is hung
	BootTimeout     time.Duration // a worker that is not ready after this long is hung
	GracefulTimeout time.Duration // between TERM and KILL; 0 kills at once

	// ReadyAfter is how long a worker must live to count as ready when it
	// does not say so itself; 0 waits for its READY=1.
	ReadyAfter time.Duration
	// Notifies says that the worker reports when it is ready. If it is probed
	// too, it must both report and accept connections.
	Notifies bool
	Capacity int // requests that one worker can have in flight
	// Gated says that a gateway carries requests to the worker. If a request
	// hangs, the worker gets no more requests and may finish its others first.
	Gated bool
	// TrialPipe says that a worker on trial takes its requests from its own
	// pipe, which must be empty before the worker is told to go.
	TrialPipe bool
	// DrainFirst sends TERM to a worker behind the gateway only when it has
	// nothing in flight, so that a program that ends at TERM loses no request.
	DrainFirst bool
	// Heartbeat says that a process shows a sign of life within Timeout.
	Heartbeat bool
	// RequestAge says that a request occupies a thread of the worker, or the
	// whole worker: it is hung if it is older than RequestTimeout. 0 is no bound.
	RequestAge     bool
	RequestTimeout time.Duration

	MaxRequests         int           // retire a worker after this many requests
	MaxRequestsJitter   int           // plus a random number up to this
	MaxMemory           int64         // retire a worker whose process group has more resident bytes than this
	MaxLifetime         time.Duration // retire a worker of this age
	MaxLifetimeJitter   time.Duration // plus a random time up to this
	RestartImmediately  bool          // restart without delay if the lost process had been ready (the gateway)
	RestartNeverGivesUp bool          // a first boot that keeps failing does not end gonicorn
	ShowsStacks         bool          // the process writes its stacks when asked, and keeps running
	Interpreter         bool          // it runs Python, and the interpreter writes a pulse to the slot
	ReopensLogs         bool          // the process handles USR1, which would end a command that does not

	Elastic Elastic // bounds for the number of workers, if it follows the load

	Reload Reload // how this generation takes over from the one before
}

// Reload is how a generation takes over from the one before.
type Reload struct {
	// Rolling replaces Batch workers at a time, with Pause between two
	// batches; a Batch of 0 is a quarter of them. Otherwise all new workers
	// take over at once, when all are ready.
	Rolling bool
	Batch   int
	Pause   time.Duration
	// Canary is how long the first new worker serves beside the old ones before
	// any of them goes; 0 is no canary. If the canary is lost, or judge finds it
	// worse than the others, the reload is given up. Its share of 5xx may be
	// CanaryErrors percentage points above theirs, and its requests may take
	// CanarySlowdown times as long. A verdict needs CanaryLeast answers.
	Canary         time.Duration
	CanaryErrors   int
	CanarySlowdown float64
	CanaryLeast    int
	// Blind says that nobody counts a worker's answers. FewAtOnce says that
	// workers accept connections themselves, so a canary gets what the others
	// leave to it.
	Blind, FewAtOnce bool
}

// Launcher starts worker processes of one generation. It is called only from
// the loop, so implementations need no locking.
type Launcher interface {
	// Launch starts a process, the leader of a process group of its own, and
	// returns without waiting for it to be ready. The arbiter reaps it.
	Launch(p Place) (Process, error)
}

// Place is a worker's identity: its ID, its slot and its generation.
type Place struct {
	ID         int // 1..N, reused by a successor
	Slot       int // of the scoreboard; the arbiter writes its PID, StartTicks, Started and State
	Generation int
	Age        int  // the number of this start in its fleet, from 1
	Trial      bool // it serves beside the generation before, with a share of the requests
}

// Process is a started process.
type Process struct {
	PID    int
	Output Output // may be nil
	// Forked is not nil if a template forked the process. A template runs app
	// code, so it may report any pid. Forked is called once the arbiter has
	// verified that the process is a new child of its own.
	Forked func()
	// OOMKills, which may be nil, counts the worker's processes that were
	// killed because the worker reached its own memory limit.
	OOMKills func() int
	// Probe, which may be nil, waits until the process accepts connections and
	// returns where. It runs in a goroutine of its own. Its context ends with
	// the process.
	Probe func(ctx context.Context) (Endpoint, error)
	// Unready is what to say if the process never becomes ready: what it was
	// given, and what the operator can do.
	Unready string
	// Guards says that the process ends the others if the arbiter is killed.
	Guards bool
}

// Endpoint is where a worker accepts connections.
type Endpoint struct {
	Network string // tcp or unix
	Address string
}

// Peer is what the gateway must know of a worker.
type Peer struct {
	Place
	Endpoint
	PID      int
	Capacity int
	Draining bool // gets no new requests
	Share    int  // of requests, per mille, if the worker is on trial; 0 is no bound
}

// Output is what a process has written.
type Output interface {
	// Tail returns the last lines.
	Tail() []string
	// Done is closed when everything written has been logged.
	Done() <-chan struct{}
	// Limit names the limit because of which the process got no thread and ended, if it
	// has written that.
	Limit() string
	// Close stops reading and frees the pipe.
	Close() error
}

// Generation is one version of code and config: what a reload exchanges.
type Generation struct {
	Number   int
	Settings Settings
	Launcher Launcher
	Refork   Refork // nil if no worker becomes the origin of others
	// Adopted runs once the generation is in force. Released runs when the
	// generation is no longer wanted and has no process left. Either may be nil.
	Adopted, Released func()
}

package scoreboard

import "sync/atomic"

// PageSize is the size of a slot's page, in bytes.
const PageSize = 8192

// Claims is how many requests one worker can claim: one for each thread that takes
// requests from the shared pipe. 560 + 238*32 = 8176.
const Claims = 238

// State is what a worker is doing.
type State uint64

// The states of a worker, in the order in which it goes through them.
const (
	Free     State = iota // no process has the slot
	Booting               // the process was started and is not ready yet
	Ready                 // ready, and no request in flight
	Busy                  // ready, with at least one request in flight
	Draining              // takes no new requests, finishes what it has
	Dead                  // reaped; the slot waits to be freed
)

// String returns the state's name as status and logs show it.
func (s State) String() string {
	switch s {
	case Free:
		return "free"
	case Booting:
		return "booting"
	case Ready:
		return "ready"
	case Busy:
		return "busy"
	case Draining:
		return "draining"
	case Dead:
		return "dead"
	}
	return "unknown"
}

// Taking is the ID of a claim while its thread takes a request from the pipe: it
// may have a request whose number is not known yet. No request has this number.
const Taking = 1

// Claim is what one thread of the worker shows of its requests. Nobody else writes it,
// so threads need no lock. Readers add up what all claims show.
type Claim struct {
	ID    atomic.Uint64 // the number of the request that it has taken, Taking, or 0 if the thread is idle
	Start atomic.Int64  // when it was taken
	Done  atomic.Uint64 // requests that it has finished
	Busy  atomic.Int64  // nanoseconds that it has spent on them
}

// Slot is one worker's page. The worker can write anything to it. Every field is 8
// bytes, little endian, at the offset that its comment gives; the Python runner
// uses the same offsets. The arbiter writes some fields for the worker to read, and
// never reads them back. A worker whose threads make claims leaves Requests, InFlight,
// BusyNanos and the oldest request to them.
type Slot struct {
	_            [4]atomic.Uint64 // 0: unused
	Asked        atomic.Uint64    // 32: how often the worker's stacks were asked for, on systems where no signal reaches a single thread; for the worker to read
	State        atomic.Uint64    // 40: a State
	Heartbeat    atomic.Int64     // 48: last sign of life of the process or its loop
	RequestID    atomic.Uint64    // 56: the oldest request in flight, 0 if none
	RequestStart atomic.Int64     // 64: when that one was taken, 0 if none
	Requests     atomic.Uint64    // 72: requests finished
	InFlight     atomic.Int64     // 80: requests in flight
	Connections  atomic.Int64     // 88: client connections open in this worker
	MaxRequests  atomic.Uint64    // 96: retire at this many requests, 0 = never; for the worker to read
	Beats        atomic.Uint64    // 104: 1 once the process keeps its own heartbeat
	BusyNanos    atomic.Int64     // 112: total time with a request in flight
	LoopLag      atomic.Int64     // 120: last measured lag of the event loop, in nanoseconds
	Own          Measure          // 128: of a Go worker's own requests
	Share        atomic.Int64     // 512: share of new connections, per mille, while it is on trial; for the worker to read
	Yield        atomic.Int64     // 520: share of new connections, per mille, that is left to a worker on trial; likewise
	Pulse        atomic.Int64     // 528: when the interpreter last ran gonicorn's watcher thread, 0 without one
	Watcher      atomic.Int64     // 536: id of the watcher thread
	Queue                         // 544: used in a gateway's own slot
	Claim        [Claims]Claim    // 560: one for each thread
}

// Queue describes the requests that wait for a worker.
type Queue struct {
	Waiting      atomic.Int64 // how many requests
	WaitingSince atomic.Int64 // when the first of them came, 0 if there is none
}

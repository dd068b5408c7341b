package arbiter

import (
	"errors"
	"slices"
	"time"
)

// ErrStopped says that the arbiter does not run any more.
var ErrStopped = errors.New("the arbiter has stopped")

// Status is how an app and its workers are at one moment.
type Status struct {
	Generation   int           `json:"generation"`
	Wanted       int           `json:"wanted"` // workers
	Ready        int           `json:"ready"`
	Reloading    bool          `json:"reloading"`
	LastReload   string        `json:"last_reload_error,omitempty"`
	Restarts     int           `json:"restarts"`
	LongestPause time.Duration `json:"longest_pause_ns"` // of the arbiter's loop
	Stragglers   int           `json:"stragglers,omitempty"`
	Workers      []WorkerState `json:"workers"`
}

// WorkerState is one process in a Status.
type WorkerState struct {
	Role       string        `json:"role"`
	ID         int           `json:"id"`
	PID        int           `json:"pid"`
	Slot       int           `json:"slot"`
	Generation int           `json:"generation"`
	Stage      string        `json:"stage"`
	Age        time.Duration `json:"age_ns"`
	Requests   uint64        `json:"requests"`
	InFlight   int64         `json:"in_flight"`
	Answers    uint64        `json:"answers"`     // behind the gateway
	Errors     uint64        `json:"errors_5xx"`  // of these
	Waiting    int           `json:"waiting"`     // at a gateway: requests that wait for a worker
	LoopLag    time.Duration `json:"loop_lag_ns"` // of an event loop
	Request    uint64        `json:"request,omitempty"`
	RequestAge time.Duration `json:"request_age_ns,omitempty"` // of the oldest in hand
	CPU        float64       `json:"cpu,omitempty"`            // share of one CPU lately
	RSS        int64         `json:"rss,omitempty"`
	Leaves     string        `json:"leaves,omitempty"`
	Says       string        `json:"status,omitempty"` // its STATUS=
}

// age is how long ago something began; 0 if it has not.
func age(now, since time.Duration) time.Duration {
	if since <= 0 {
		return 0
	}
	return now - since
}

func (a *Arbiter) status(now time.Duration) Status {
	f := a.workers
	s := Status{
		Generation: f.current.Number, Wanted: f.target, Restarts: f.restarts, LastReload: f.lastFault,
		Reloading: a.loading || f.candidate != nil, LongestPause: a.longestPause, Stragglers: len(a.stragglers),
	}
	for _, seat := range f.seats {
		if seat.current != nil && seat.current.stage == ready {
			s.Ready++
		}
	}
	for _, f := range a.fleets() {
		for _, w := range f.workers() {
			v, _ := a.kernel.vitals(w)
			s.Workers = append(s.Workers, WorkerState{
				Role: f.role, ID: w.place.ID, PID: w.pid, Slot: w.place.Slot, Generation: w.gen.Number,
				Stage: w.stage.String(), Age: now - w.started, Requests: v.requests, InFlight: v.inFlight,
				Answers: v.answers, Errors: v.errors, Waiting: v.waiting, LoopLag: v.lag, Request: v.requestID,
				RequestAge: age(now, v.requestStart), CPU: w.cpu, RSS: w.rss, Leaves: w.leaves, Says: w.status,
			})
		}
	}
	slices.SortStableFunc(s.Workers, func(a, b WorkerState) int { return a.ID - b.ID })
	return s
}

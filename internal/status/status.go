// Package status defines the status of a running gonicorn, as the control socket, the
// monitor and top show it.
package status

import (
	"time"

	"github.com/gonicorn/gonicorn/internal/scoreboard"
)

// Status is the state of a gonicorn at one moment.
type Status struct {
	Version string     `json:"version"`
	PID     int        `json:"pid"`
	Name    string     `json:"name,omitempty"` // proc_name
	Dir     string     `json:"folder"`
	App     string     `json:"app"`
	Bind    []string   `json:"bind"`
	Sockets []Listener `json:"sockets"`
	Fleet
	Traffic scoreboard.Counts `json:"traffic"` // behind the gateway
	Bounds  []time.Duration   `json:"bounds_ns"`
	Uptime  time.Duration     `json:"uptime_ns"`
}

// Listener is a socket that gonicorn listens at.
type Listener struct {
	Address string `json:"address"`
	Backlog int    `json:"backlog"` // connections that wait to be accepted; -1 if that is not known
}

// Fleet is the state of an app's workers.
type Fleet struct {
	State      string `json:"state"` // starting, ready, reloading, drained, stopping
	Generation int    `json:"generation"`
	Wanted     int    `json:"wanted"` // workers
	Ready      int    `json:"ready"`
	Reloading  bool   `json:"reloading"`
	LastReload string `json:"last_reload_error,omitempty"`
	LastNote   string `json:"last_reload_note,omitempty"` // what the operator should know about the last successful reload
	Trial      *Trial `json:"trial,omitempty"`            // of a canary, while it is in progress
	// Stale says why the generation that serves cannot be started again. Probably
	// a failed reload has left other code in its place.
	Stale        string `json:"stale,omitempty"`
	Restarts     int    `json:"restarts"`
	Reloads      int    `json:"reloads"` // successful ones
	FailedReload int    `json:"reloads_failed"`
	// Ends counts workers that have ended, by reason: crashed, hung, max_requests,
	// max_memory, max_lifetime, reload, ...
	Ends         map[string]int `json:"ends"`
	LongestPause time.Duration  `json:"longest_pause_ns"` // of the arbiter's loop
	Stragglers   int            `json:"stragglers,omitempty"`
	Workers      []Worker       `json:"workers"`
}

// Worker is one process: a worker, the gateway, the guard or the monitor.
type Worker struct {
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
	RequestAge time.Duration `json:"request_age_ns,omitempty"` // of the oldest request in flight
	Busy       time.Duration `json:"busy_ns"`                  // total time with requests in flight
	CPU        float64       `json:"cpu,omitempty"`            // share of one CPU used lately
	RSS        int64         `json:"rss,omitempty"`
	Leaves     string        `json:"leaves,omitempty"`
	Says       string        `json:"status,omitempty"` // its STATUS=
}

// Trial is the state of a canary's trial.
type Trial struct {
	Generation int           `json:"generation"`
	Worker     int           `json:"worker"`
	Age        time.Duration `json:"age_ns"`
	For        time.Duration `json:"for_ns"` // canary_time
	Longer     bool          `json:"longer"` // it goes on because there were too few answers
	Answers    uint64        `json:"answers"`
	Errors     uint64        `json:"errors_5xx"`
	P50        time.Duration `json:"p50_ns"` // in the app
	OthersP50  time.Duration `json:"others_p50_ns"`
}

// Queue is how many requests wait for a worker, and how many are in flight.
func (f *Fleet) Queue() (waiting int, inFlight int64) {
	for _, w := range f.Workers {
		switch w.Role {
		case "gateway":
			waiting += w.Waiting
		case "worker":
			inFlight += w.InFlight
		}
	}
	return waiting, inFlight
}

// Package handler is the worker process of a Go http.Handler: it serves on
// inherited sockets, keeps the scoreboard, and obeys the arbiter's signals.
package handler

import "time"

// Settings is what a worker needs of the config. It travels as JSON in
// GONICORN_WORKER; durations are nanoseconds.
type Settings struct {
	Class             string
	Threads           int
	WorkerConnections int
	Keepalive         time.Duration
	Timeout           time.Duration // 0 is off
	GracefulTimeout   time.Duration
}

// Info is what a handler can learn of the worker that it runs in.
type Info struct {
	ID         int // 1..N, reused by a successor
	PID        int
	Generation int
	Requests   uint64 // finished by this worker
}

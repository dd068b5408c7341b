package gateway

import (
	"context"
	"errors"
	"fmt"

	"github.com/gonicorn/gonicorn/internal/wire"
)

// Worker is one worker process as the arbiter describes it to the gateway.
type Worker = wire.Worker

// Backend carries requests to the workers of one app. Implementations are safe
// for concurrent use.
type Backend interface {
	// Update replaces the set of workers. A worker that is missing from it has
	// been reaped: its requests fail with a WorkerError.
	Update(workers []Worker)
	// Serve waits for capacity, carries r to a worker and its answer to w, and
	// returns nil once the response has been ended. ErrNoCapacity means that
	// no worker took it. A *WorkerError means that a worker took it and failed.
	// The context's cause means that the client left or the time was up.
	Serve(ctx context.Context, r *Request, w Reply) error
}

// ErrNoCapacity says that the queue is full or that no worker took the request
// within queue_timeout. The client gets 503 with Retry-After.
var ErrNoCapacity = errors.New("no worker took the request in time")

// ErrTimeout says that a worker did not answer within the request's time. The
// client gets 504 if nothing of an answer has been sent.
var ErrTimeout = errors.New("the worker did not answer in time")

// WorkerError says that a worker took a request and failed to answer it.
type WorkerError struct {
	Slot, PID int
	Died      bool // the process or its connection ended; otherwise its answer was invalid
	Unsent    bool // nothing of the request has reached it
	Hung      bool // it was ended because it hung, maybe on this request
	Err       error
}

// Error names the worker's process and what it did.
func (e *WorkerError) Error() string { return fmt.Sprintf("worker pid %d: %v", e.PID, e.Err) }

// Unwrap returns the cause.
func (e *WorkerError) Unwrap() error { return e.Err }

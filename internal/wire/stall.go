package wire

import "time"

// Kinds of stalls.
const (
	StallLoop     = "loop"     // Python code keeps the event loop from turning
	StallHub      = "hub"      // or gevent's hub
	StallAwait    = "await"    // a coroutine waits
	StallThread   = "thread"   // a thread works, or waits, for a request
	StallGreenlet = "greenlet" // a greenlet does
	StallHandler  = "handler"  // a Go handler does
)

// Stall is what a worker says of a request that is held up, or of its loop. It
// fits into a notification.
type Stall struct {
	Kind   string        `json:"kind"`
	Age    time.Duration `json:"age"`
	ID     string        `json:"id"` // X-Request-ID; empty if it is no request's fault
	Method string        `json:"method"`
	Path   string        `json:"path"`
	At     string        `json:"at"`     // file:line in function: the innermost line of the app
	Source string        `json:"source"` // that line
	More   int           `json:"more"`   // other requests, held up there before or elsewhere now
	Stack  []string      `json:"stack"`  // the innermost place last
}

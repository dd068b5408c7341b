package wire

import "time"

// Kinds of stalls.
const (
	StallLoop     = "loop"     // Python code blocks the event loop
	StallHub      = "hub"      // Python code blocks gevent's hub
	StallAwait    = "await"    // a coroutine waits
	StallThread   = "thread"   // a thread works on a request, or waits for something
	StallGreenlet = "greenlet" // a greenlet does so
	StallHandler  = "handler"  // a Go handler does so
)

// Stall is a worker's report about a request, or its event loop, that is stalled. It
// fits into a notification.
type Stall struct {
	Kind   string        `json:"kind"`
	Age    time.Duration `json:"age"`
	ID     string        `json:"id"` // X-Request-ID; empty if no request is known to cause it
	Method string        `json:"method"`
	Path   string        `json:"path"`
	At     string        `json:"at"`     // file:line in function: the innermost line of the app
	Source string        `json:"source"` // source text of that line
	More   int           `json:"more"`   // other requests: stalled there before, or elsewhere now
	Stack  []string      `json:"stack"`  // innermost last
}

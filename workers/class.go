// Package workers has the worker classes. A class decides how the connections of
// one worker process are carried to the app. It runs inside the worker and knows
// nothing of the arbiter, which sees what it does on the scoreboard.
//
// A new class is a type with the five methods of Class. A program passes it to
// gonicorn.WithClass. Its Serve can use a Drain for accepting connections,
// limiting them and draining: see examples/custom-class.
package workers

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"
)

// Class is one way of serving connections.
type Class interface {
	// Name is the name of the class for -k, in the log and in status.
	Name() string
	// Aliases are other names that -k accepts.
	Aliases() []string
	// Capacity is how many connections or requests one worker can have in
	// flight at once under these limits, at least 1.
	Capacity(l Limits) int
	// Alive says how a worker of this class shows that it is not hung.
	Alive() Liveness
	// Serve accepts connections on s.Listeners and carries each to the app. It
	// closes the listeners. It calls s.Meter.Ready once it accepts.
	//
	// When s.Drain is closed, it accepts nothing more, finishes what is in
	// flight, and returns nil once the last connection is closed. When ctx ends,
	// it closes every connection and returns at once, without waiting for the
	// app. Any other return is a failure of the worker.
	Serve(ctx context.Context, s *Session) error
}

// Liveness is what counts as a sign of life. A worker without one for longer
// than the setting timeout is hung. Flags can be combined.
type Liveness uint8

const (
	// RequestAge means that each request takes one of few places, so none may
	// be in flight for longer than request_timeout (under sync: timeout).
	RequestAge Liveness = 1 << iota
	// Heartbeat means that the process, or its event loop, stores its heartbeat
	// on the scoreboard at least once per timeout. Requests may be of any age.
	Heartbeat
)

// Limits are the settings that bound what one worker has in flight.
type Limits struct {
	Threads     int // connections served at once by a threaded worker
	Connections int // client connections open at once in one worker
}

// Session has what a class needs to serve, from the start of a worker to its end.
type Session struct {
	Listeners []net.Listener // Serve closes them; the arbiter keeps the sockets open
	Handler   http.Handler   // the app; nil if the class does not speak HTTP
	Limits    Limits

	Keepalive      time.Duration // how long an idle connection waits for another request, 0 = not at all
	HeaderTimeout  time.Duration // how long a client may take to send a request's head, 0 = no limit
	MaxHeaderBytes int           // the most bytes in a request's head, 0 = net/http's default of 1 MiB

	Meter *Meter          // counts what is in flight, for the scoreboard
	Drain <-chan struct{} // closed when the worker must finish and end
	Log   *slog.Logger
}

// ErrNoHandler says that a class that speaks HTTP was given no handler.
var ErrNoHandler = errors.New("the worker class serves HTTP and needs a handler")

// Builtin returns gonicorn's own classes.
func Builtin() []Class { return []Class{Sync{}, Threaded{}, EventLoop{}, Gevent{}} }

// Lookup finds the class that has this name or alias.
func Lookup(classes []Class, name string) (Class, bool) {
	for _, c := range classes {
		if c.Name() == name || slices.Contains(c.Aliases(), name) {
			return c, true
		}
	}
	return nil, false
}

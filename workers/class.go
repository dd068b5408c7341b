// Package workers has the worker classes: how the connections of one worker
// process are carried to the app. A class runs inside a worker and knows
// nothing of the arbiter; what it does shows on the scoreboard.
//
// A new class is a type with the five methods of Class, which a program names to
// gonicorn.WithClass. Its Serve can leave accepting, places and the end of a
// worker to a Drain: see examples/custom-class.
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
	// Name is what -k, the log and status call the class.
	Name() string
	// Aliases are further names that -k takes.
	Aliases() []string
	// Capacity is how many connections or requests one worker has in flight at
	// once under these limits, at least 1.
	Capacity(l Limits) int
	// Alive says by what a worker of this class is told from a hung one.
	Alive() Liveness
	// Serve accepts on s.Listeners, which it closes, and carries each
	// connection to the app. It says s.Meter.Ready once it accepts.
	//
	// When s.Drain is closed it accepts nothing more, finishes what it has in
	// flight, and returns nil once the last connection is closed. When ctx ends
	// it closes every connection and returns at once, without waiting for the
	// app. Any other return is a failure of the worker.
	Serve(ctx context.Context, s *Session) error
}

// Liveness is what counts as a sign of life: a worker that gives none for
// longer than the setting timeout is hung. The flags add up.
type Liveness uint8

const (
	// RequestAge means that each request takes one of few places: none may be in
	// flight for longer than request_timeout (under sync: timeout).
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

// Session is what a class serves with, from the start of a worker to its end.
type Session struct {
	Listeners []net.Listener // Serve closes them; the arbiter keeps the sockets open
	Handler   http.Handler   // the app; nil where the class does not speak HTTP
	Limits    Limits

	Keepalive      time.Duration // how long an idle connection is kept for a further request, 0 = not at all
	HeaderTimeout  time.Duration // how long a client may take to send a request's head, 0 = no bound
	MaxHeaderBytes int           // of a request's head, 0 = net/http's default of 1 MiB

	Meter *Meter          // what the class has in flight, for the scoreboard
	Drain <-chan struct{} // closed when the worker is to finish and go
	Log   *slog.Logger
}

// ErrNoHandler says that a class which speaks HTTP was given no handler.
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

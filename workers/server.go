package workers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"sync/atomic"
	"time"
)

// linger is how long a draining worker keeps a connection open that waits for a
// request.
const linger = time.Second

// policy is how the classes that speak HTTP differ.
type policy struct {
	places    int  // connections, or requests, in flight at once
	open      int  // connections open at once, 0 = as many as there are places
	keepalive bool // a connection may carry several requests
	lends     bool // a connection without a request gives its place back
}

// server carries connections to an HTTP handler through net/http.
type server struct {
	*Drain

	http     *http.Server
	labels   atomic.Uint64 // counts connections
	draining atomic.Bool   // answers have "Connection: close"
}

// serveHTTP implements Serve for the classes that speak HTTP.
func serveHTTP(ctx context.Context, s *Session, p policy) error {
	if s.Handler == nil {
		return ErrNoHandler
	}
	srv := newServer(ctx, s, p)
	return srv.run(ctx, func(l *Listener) error { return srv.http.Serve(l) }, func() { srv.draining.Store(true) },
		func() { srv.lastCalls() })
}

func newServer(ctx context.Context, s *Session, p policy) *server {
	srv := &server{Drain: newDrain(ctx, s, p)}
	srv.http = &http.Server{
		Handler:           srv,
		ReadHeaderTimeout: s.HeaderTimeout,
		IdleTimeout:       s.Keepalive,
		MaxHeaderBytes:    s.MaxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext:       srv.connContext,
		ConnState:         srv.changed,
	}
	srv.http.SetKeepAlivesEnabled(p.keepalive && s.Keepalive > 0)
	return srv
}

type connKey struct{}

// connContext adds a label by which the goroutine that serves the connection is
// found for diagnosis. If an app labels goroutines itself, the label stays in
// its context.
func (s *server) connContext(ctx context.Context, nc net.Conn) context.Context {
	if c, ok := nc.(*conn); ok {
		c.label = strconv.FormatUint(s.labels.Add(1), 10)
		ctx = pprof.WithLabels(ctx, pprof.Labels(GoroutineLabel, c.label))
	}
	return context.WithValue(ctx, connKey{}, nc)
}

// changed follows the state of a connection in net/http. The connection's own
// goroutine calls it.
func (s *server) changed(nc net.Conn, state http.ConnState) {
	c, ok := nc.(*conn)
	if !ok {
		return
	}
	switch state {
	case http.StateNew:
	case http.StateActive: // the head of a request has been read
		c.begin()
	case http.StateIdle:
		c.waiting.Store(true)
		if s.lends {
			c.rest()
		}
		if s.draining.Load() { // its answer began before the drain
			c.lastCall()
		}
	case http.StateHijacked: // a connection in flight from now on, and no longer a request
		c.waiting.Store(false)
		if c.request != nil {
			c.request.End()
		}
	}
}

// ServeHTTP runs the app with a request and survives its panics.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request := s.session.Meter.Begin(r.Method, r.URL.Path)
	defer request.End()
	if c, ok := r.Context().Value(connKey{}).(*conn); ok {
		c.request = request
		if !c.labelled { // net/http serves all requests of a connection in one goroutine
			c.labelled = true
			pprof.SetGoroutineLabels(r.Context())
		}
		request.label = c.label
		defer func() { c.request = nil }()
	}
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		request.Answered(http.StatusInternalServerError)
		if err, ok := v.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
			s.session.Log.Error(fmt.Sprintf("handler panicked: %v\n%s", v, debug.Stack()),
				"request", request.ID, "method", r.Method, "path", r.URL.Path)
		}
		panic(http.ErrAbortHandler) // net/http cuts the answer off
	}()
	a := &answer{ResponseWriter: w, draining: &s.draining, request: request}
	s.session.Handler.ServeHTTP(a, r)
	a.begin() // if the app wrote nothing
}

// lastCalls gives every connection a last call. Answers that begin from now on
// have "Connection: close". No connection is closed while its client has just
// sent a request, or may do so (RFC 9112, 9.5).
func (s *server) lastCalls() {
	for _, c := range s.all() {
		c.lastCall()
	}
}

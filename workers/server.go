package workers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// linger is how long a draining worker leaves a connection open that waits for
// a request.
const linger = time.Second

// policy is in what the classes that speak HTTP differ.
type policy struct {
	places    int  // connections, or requests, in hand at once
	open      int  // connections open at once, 0 = as many as there are places
	keepalive bool // serve further requests of a connection
	lends     bool // a connection without a request gives its place back
}

// server carries connections to an HTTP handler through net/http.
type server struct {
	policy  policy
	session *Session
	http    *http.Server
	places  places
	open    places
	closing chan struct{}   // closed when nothing more is accepted
	stopped <-chan struct{} // closed when everything is dropped

	labels   atomic.Uint64 // counts connections
	draining atomic.Bool   // answers say that the connection closes

	mu    sync.Mutex
	conns map[*conn]struct{}
	empty chan struct{} // where drain waits; closed when the last connection is
}

// serveHTTP is Serve of the classes that speak HTTP.
func serveHTTP(ctx context.Context, s *Session, p policy) error {
	if s.Handler == nil {
		return ErrNoHandler
	}
	srv := newServer(ctx, s, p)
	failed := make(chan error, len(s.Listeners))
	var accepting sync.WaitGroup
	var doors []*door
	for _, l := range s.Listeners {
		d := newDoor(srv, l)
		doors = append(doors, d)
		accepting.Go(func() {
			if err := srv.http.Serve(d); !errors.Is(err, net.ErrClosed) && !errors.Is(err, os.ErrClosed) {
				failed <- err
			}
		})
	}
	s.Meter.Ready()
	var err error
	select {
	case <-ctx.Done():
	case <-s.Drain:
	case err = <-failed:
		err = fmt.Errorf("accept connections: %w", err)
	}
	srv.draining.Store(true)
	close(srv.closing)
	for _, d := range doors {
		_ = d.Close() // only this process's descriptors
	}
	accepting.Wait()
	if err == nil {
		srv.drain(ctx)
	}
	srv.drop()
	return err
}

func newServer(ctx context.Context, s *Session, p policy) *server {
	srv := &server{
		policy: p, session: s, places: newPlaces(p.places), open: newPlaces(p.open),
		closing: make(chan struct{}), stopped: ctx.Done(), conns: map[*conn]struct{}{},
	}
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

// connContext has a label by which a diagnosis finds the goroutine that serves
// the connection. An app that labels goroutines itself keeps it in its context.
func (s *server) connContext(ctx context.Context, nc net.Conn) context.Context {
	if c, ok := nc.(*conn); ok {
		c.label = strconv.FormatUint(s.labels.Add(1), 10)
		ctx = pprof.WithLabels(ctx, pprof.Labels(GoroutineLabel, c.label))
	}
	return context.WithValue(ctx, connKey{}, nc)
}

// admit takes a connection in, which has its place.
func (s *server) admit(nc net.Conn) net.Conn {
	c := &conn{Conn: nc, server: s, placed: true}
	c.waiting.Store(true)
	if s.policy.lends {
		c.after(patience, c.lend)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = struct{}{}
	s.session.Meter.Opened()
	return c
}

// forget takes note that a connection is closed.
func (s *server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	s.session.Meter.Closed()
	if len(s.conns) == 0 && s.empty != nil {
		close(s.empty)
		s.empty = nil
	}
}

// changed follows what net/http does with a connection, from the connection's
// own goroutine.
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
		if s.policy.lends {
			c.rest()
		}
		if s.draining.Load() { // its answer had begun before
			c.lastCall()
		}
	case http.StateHijacked: // from now on a connection in hand, no longer a request
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

// drain finishes what is in hand. Answers whose head is written from now on say
// "Connection: close". Nothing is closed in the face of a client that has just
// sent a request, or that was told that it may (RFC 9112, 9.5): every connection
// gets a last call.
func (s *server) drain(ctx context.Context) {
	for _, c := range s.all() {
		c.lastCall()
	}
	select {
	case <-s.none():
	case <-ctx.Done():
	}
}

// none returns a channel that is closed once there are no connections.
func (s *server) none() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	empty := make(chan struct{})
	if len(s.conns) == 0 {
		close(empty)
	} else {
		s.empty = empty
	}
	return empty
}

func (s *server) all() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		all = append(all, c)
	}
	return all
}

// drop closes every connection, whatever it is doing.
func (s *server) drop() {
	for _, c := range s.all() {
		_ = c.Close() // the client sees it end
	}
}

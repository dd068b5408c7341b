package workers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	headerTime  = 30 * time.Second // for a request's head to arrive
	headerBytes = 64 << 10         // of a request's head
)

// serveHTTP serves the session's handler through net/http behind a gate.
func serveHTTP(ctx context.Context, s *Session, g *gate, keepalive bool) error {
	h := &httpSession{Session: s, gate: g}
	server := &http.Server{
		Handler:           http.HandlerFunc(h.serve),
		ReadHeaderTimeout: headerTime,
		IdleTimeout:       max(s.Keepalive, time.Nanosecond), // 0 would mean no limit
		MaxHeaderBytes:    headerBytes,
		ConnState:         func(c net.Conn, state http.ConnState) { h.changed(ctx, c, state) },
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelWarn),
	}
	server.SetKeepAlivesEnabled(keepalive && s.Keepalive > 0)
	stopped := make(chan struct{})
	failed := make(chan error, len(s.Listeners))
	for _, l := range s.Listeners {
		go func() { failed <- server.Serve(gatedListener{l, g, stopped}) }()
	}
	var err error
	select {
	case <-ctx.Done():
	case <-s.Drain:
	case err = <-failed:
	}
	close(stopped)
	if ctx.Err() == nil && err == nil {
		err = h.drain(ctx, server)
	}
	if closeErr := server.Close(); err == nil {
		err = closeErr
	}
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

type httpSession struct {
	*Session
	gate     *gate
	requests sync.WaitGroup // handlers that run
}

// drain lets what is in hand finish, hijacked connections too: Shutdown does
// not wait for those, so that their handlers are waited for instead.
func (h *httpSession) drain(ctx context.Context, server *http.Server) error {
	if err := server.Shutdown(ctx); err != nil {
		return err
	}
	finished := make(chan struct{})
	go func() { h.requests.Wait(); close(finished) }()
	select {
	case <-finished:
	case <-ctx.Done():
	}
	return nil
}

func (h *httpSession) serve(w http.ResponseWriter, r *http.Request) {
	h.requests.Add(1)
	defer h.requests.Done()
	defer h.Meter.Begin(r.Method, r.URL.Path)()
	h.Handler.ServeHTTP(w, r)
}

// changed keeps the gate's places and the count of connections. net/http calls
// it from the connection's own goroutine, so that waiting here holds only that
// connection up.
func (h *httpSession) changed(ctx context.Context, c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		h.Meter.Connections(1)
	case http.StateActive:
		h.gate.resume(ctx, c)
	case http.StateIdle:
		if !h.gate.holdIdle {
			h.gate.release(c)
		}
	case http.StateHijacked, http.StateClosed:
		h.Meter.Connections(-1)
		h.gate.release(c)
	}
}

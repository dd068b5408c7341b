// Package gatewaytest builds a gateway around a backend, for tests.
package gatewaytest

import (
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/accept"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/http1loop"
	"github.com/gonicorn/gonicorn/gateway/http2loop"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/gateway/pipeline"
	"github.com/gonicorn/gonicorn/gateway/pipeline/buffer"
	"github.com/gonicorn/gonicorn/gateway/pipeline/forward"
	"github.com/gonicorn/gonicorn/gateway/relay"
)

// Timeout bounds every wait of a test.
const Timeout = 20 * time.Second

// Untouched says that nothing has been done for a request. It implements
// gateway.Resumed.
type Untouched struct{}

func (Untouched) Resume(int64, int64, int) {}
func (Untouched) Add([]byte, bool)         {}
func (Untouched) Owe(int)                  {}
func (Untouched) Drop()                    {}

// Backend serves requests on the loop and off it.
type Backend interface {
	gateway.Backend
	gateway.Looped
}

// Way is how common requests are served.
type Way string

// The ways.
const (
	InGoroutines Way = "" // each has a goroutine
	OnLoop       Way = "on the backend's loop"
	OnOtherLoop  Way = "on another loop than the backend's" // through package relay
)

// OnEachLoop runs a test for the ways of event loops.
func OnEachLoop(t *testing.T, test func(t *testing.T, way Way)) {
	for _, way := range []Way{OnLoop, OnOtherLoop} {
		t.Run(string(way), func(t *testing.T) { test(t, way) })
	}
}

// Site is a gateway that is to listen. What it has may be changed until Listen.
type Site struct {
	Loop     *loop.Loop
	Backend  Backend
	Pipeline *pipeline.Pipeline
	HTTP1    *http1.Server
	Options  accept.Options
	Way      Way
}

// New makes one before a backend.
func New(t testing.TB, l *loop.Loop, b Backend, forwarding forward.Options) *Site {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	forwarding.Log = quiet
	rules, err := forward.New(forwarding)
	if err != nil {
		t.Fatal(err)
	}
	p := pipeline.New(pipeline.Options{
		Backend: b, Forward: rules, RequestBuffering: true, ResponseBuffering: true, Body: buffer.Options{Dir: t.TempDir()},
		Response: buffer.SpoolOptions{Dir: t.TempDir(), Budget: buffer.NewBudget(1 << 20)}, Log: quiet,
	})
	server := &http1.Server{
		Handler: p, Adds: http1.Adds{Name: "test"}, HeaderTimeout: Timeout, BodyTimeout: Timeout, WriteTimeout: Timeout, KeepAlive: Timeout,
		MaxBody: 1 << 20, Log: quiet,
	}
	return &Site{Loop: l, Backend: b, Pipeline: p, HTTP1: server, Options: accept.Options{HTTP1: server, Log: quiet}}
}

// Listen serves on a loopback port until the test ends. Then, once nobody is
// served, end is called, while the loop still runs.
func (s *Site) Listen(t testing.TB, end func()) (*accept.Server, string) {
	t.Helper()
	loops := []*loop.Loop{s.Loop}
	events := accept.Events{Loop: s.Loop}
	switch s.Way {
	case OnLoop:
		events = s.events(s.Loop, s.Backend)
	case OnOtherLoop:
		here, err := loop.New()
		if err != nil {
			t.Fatal(err)
		}
		loops = append(loops, here)
		events = s.events(here, relay.New(relay.Options{Here: here, There: s.Loop, Backend: s.Backend, Pipeline: s.Pipeline}))
	}
	s.Options.Loops = []accept.Events{events}
	f, err := accept.New(s.Options)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var ended sync.WaitGroup
	served := make(chan struct{})
	for _, l := range loops {
		ended.Go(l.Run)
	}
	go func() { defer close(served); f.Serve(listener, "") }()
	t.Cleanup(func() {
		f.Close()
		<-served
		end()
		for _, l := range loops {
			l.Stop()
		}
		ended.Wait()
	})
	return f, listener.Addr().String()
}

// events has a loop serve common requests.
func (s *Site) events(l *loop.Loop, b gateway.Looped) accept.Events {
	return accept.Events{Loop: l, Backend: b, Pipeline: s.Pipeline, Server: func(h accept.Host, version2 *http2loop.Server) accept.LoopServer {
		return http1loop.New(http1loop.Options{Loop: l, Backend: b, HTTP: s.HTTP1, Pipeline: s.Pipeline, Host: h, HTTP2: version2})
	}}
}

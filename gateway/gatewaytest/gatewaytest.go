// Package gatewaytest builds a gateway around a backend, for tests.
package gatewaytest

import (
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/accept"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/http1loop"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/gateway/pipeline"
	"github.com/gonicorn/gonicorn/gateway/pipeline/buffer"
	"github.com/gonicorn/gonicorn/gateway/pipeline/forward"
)

// Timeout bounds every wait of a test.
const Timeout = 20 * time.Second

// Untouched says that nothing has been done for a request. It implements
// gateway.Resumed.
type Untouched struct{}

func (Untouched) Resume(int64, int64, int) {}
func (Untouched) Add([]byte, bool)         {}
func (Untouched) Drop()                    {}

// Backend serves requests on the loop and off it.
type Backend interface {
	gateway.Backend
	gateway.Looped
}

// Site is a gateway that is to listen. What it has may be changed until Listen.
type Site struct {
	Loop     *loop.Loop
	Backend  Backend
	Pipeline *pipeline.Pipeline
	HTTP1    *http1.Server
	Options  accept.Options
	Looped   bool // common requests are the loop's; else each has a goroutine
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
	if s.Looped {
		s.Options.LoopServer = func(h accept.Host) accept.LoopServer {
			return http1loop.New(http1loop.Options{Loop: s.Loop, Backend: s.Backend, HTTP: s.HTTP1, Pipeline: s.Pipeline, Host: h})
		}
	}
	f, err := accept.New(s.Options)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended, served := make(chan struct{}), make(chan struct{})
	go func() { defer close(ended); s.Loop.Run() }()
	go func() { defer close(served); f.Serve(listener, "") }()
	t.Cleanup(func() {
		f.Close()
		<-served
		end()
		s.Loop.Stop()
		<-ended
	})
	return f, listener.Addr().String()
}

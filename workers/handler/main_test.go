//go:build linux

package handler

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/gonicorn/gonicorn/internal/wire"
	"github.com/gonicorn/gonicorn/workers"
)

// TestMain makes this test binary a worker when an arbiter's environment is set.
func TestMain(m *testing.M) {
	if os.Getenv(wire.EnvRole) == wire.RoleWorker {
		os.Exit(Main(&testApp{}, append(workers.Builtin(), stuck{}, failing{}, custom{})))
	}
	os.Exit(m.Run())
}

// testApp is what the workers of these tests serve.
type testApp struct{}

func (testApp) Reopen() error { return errors.New("reopened, so to say") }

func (testApp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/info":
		info, ok := FromContext(r.Context())
		fmt.Fprintf(w, "%v %+v", ok, info)
	case "/env":
		fmt.Fprint(w, strings.Join(os.Environ(), "\n"))
	case "/fds":
		entries, _ := os.ReadDir("/proc/self/fd")
		for _, e := range entries {
			target, _ := os.Readlink("/proc/self/fd/" + e.Name())
			fmt.Fprintln(w, e.Name(), target)
		}
	case "/hold":
		fmt.Fprint(w, "hold")
		_ = http.NewResponseController(w).Flush() // the client knows that it runs
		<-r.Context().Done()
	case "/finish":
		_ = http.NewResponseController(w).EnableFullDuplex()
		fmt.Fprint(w, "begun ")
		_ = http.NewResponseController(w).Flush()
		var b [1]byte
		_, _ = r.Body.Read(b[:]) // until the client lets it
		fmt.Fprint(w, "finished")
	case "/spin":
		fmt.Fprint(w, "spin")
		_ = http.NewResponseController(w).Flush()
		spin()
	case "/panic":
		panic("asked to")
	default:
		fmt.Fprint(w, "hello")
	}
}

//go:noinline
func spin() {
	//lint:ignore SA5002 that is the fault
	for {
	}
}

// stuck is a class that never becomes ready and ignores everything.
type stuck struct{}

func (stuck) Name() string                { return "stuck" }
func (stuck) Aliases() []string           { return nil }
func (stuck) Capacity(workers.Limits) int { return 1 }
func (stuck) Alive() workers.Liveness     { return workers.Heartbeat }
func (stuck) Serve(context.Context, *workers.Session) error {
	fmt.Fprintln(os.Stderr, "stuck in its start")
	select {}
}

// failing is a class that cannot serve.
type failing struct{ stuck }

func (failing) Name() string { return "failing" }
func (failing) Serve(context.Context, *workers.Session) error {
	return errors.New("no database\nanywhere")
}

// custom is a class that does not speak HTTP and gets no socket.
type custom struct{ stuck }

func (custom) Name() string { return "custom" }
func (custom) Serve(ctx context.Context, s *workers.Session) error {
	s.Meter.Ready()
	select {
	case <-ctx.Done():
		fmt.Fprintln(os.Stderr, "stopped at once")
	case <-s.Drain:
		fmt.Fprintln(os.Stderr, "drained")
	}
	return nil
}

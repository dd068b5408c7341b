//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/internal/ledgerload"
	"github.com/gonicorn/gonicorn/internal/platform"
)

// exit is a way in which workers leave as planned.
type exit struct {
	name  string
	args  []string
	only  []string // kinds; empty is all
	leave func(t *testing.T, s *ledgered, l *ledgerload.Load)
}

// gone waits until n workers have gone after a mark.
func gone(t *testing.T, s *ledgered, mark, n int) {
	t.Helper()
	eventually(t, strconv.Itoa(n)+" workers have gone", func() bool {
		count := 0
		for _, line := range s.log.lines(mark) {
			if strings.Contains(line, "worker gone") {
				count++
			}
		}
		return count >= n
	})
}

func signalled(sig syscall.Signal, line string) func(*testing.T, *ledgered, *ledgerload.Load) {
	return func(t *testing.T, s *ledgered, l *ledgerload.Load) {
		t.Helper()
		mark := s.log.mark()
		s.signal(sig)
		s.expectFrom(mark, line)
		answered(t, l, 5)
	}
}

var exits = []exit{
	{name: "HUP", leave: signalled(syscall.SIGHUP, `new generation serves`)},
	{name: "max_requests", args: []string{"--max-requests", "1", "--max-requests-jitter", "7"},
		leave: func(t *testing.T, s *ledgered, _ *ledgerload.Load) { gone(t, s, s.log.mark(), 2) }},
	{name: "restart", leave: func(t *testing.T, s *ledgered, _ *ledgerload.Load) {
		mark := s.log.mark()
		told{s.server, s.socket}.want("", "restart", "1")
		gone(t, s, mark, 1)
	}},
	{name: "TTIN TTOU", leave: func(t *testing.T, s *ledgered, _ *ledgerload.Load) {
		mark := s.log.mark()
		s.signal(syscall.SIGTTIN)
		s.expectFrom(mark, `worker ready`)
		s.signal(syscall.SIGTTOU)
		gone(t, s, mark, 1)
	}},
	{name: "canary", args: []string{"--canary", "--canary-time", "1"},
		leave: signalled(syscall.SIGHUP, `new generation serves|reload failed`)},
	{name: "elastic", args: []string{"--workers-min", "1", "--workers-max", "3", "--scale-down-idle", "1"},
		leave: func(t *testing.T, s *ledgered, l *ledgerload.Load) { answered(t, l, 30) }},
	{name: "refork", args: []string{"--start-method", "fork", "--refork-after", "20"},
		only: []string{"sync", "threaded", "event-loop", "gevent"}, leave: func(t *testing.T, s *ledgered, _ *ledgerload.Load) {
			s.expect(`a worker that has served is the template now`)
			mark := s.log.mark()
			told{s.server, s.socket}.want("", "restart", "1") // by a copy of the warm one
			gone(t, s, mark, 1)
		}},
}

// soaks reports whether tests have the time for their long forms (make soak).
func soaks() bool { return os.Getenv("GONICORN_SOAK") != "" }

// times is how often a test does something: as often as the long form does it
// where there is time.
func times(short, long int) int {
	if soaks() {
		return long
	}
	return short
}

// rounds is how often workers are made to leave: 300 times where GONICORN_SOAK
// is set, or as often as it says.
func rounds() int {
	soak := os.Getenv("GONICORN_SOAK")
	if soak == "" {
		return 2
	}
	if n, err := strconv.Atoi(soak); err == nil && n > 1 {
		return n
	}
	return 300
}

// Nothing that a planned exit touches is lost: in every class, by every way in
// which workers leave, with idle workers and with requests queued.
func TestPlannedExitsLoseNothing(t *testing.T) {
	t.Parallel()
	for which, k := range ledgerKinds {
		for way, e := range exits {
			if len(e.only) > 0 && !slices.Contains(e.only, k.name) || e.name == "refork" && platform.Portable {
				continue
			}
			// The short form has each class with one way to leave, and each way
			// with one class; the long one has all of them.
			if !soaks() && e.name != "HUP" && k.name != "sync" && k.name != "event-loop" &&
				(k.name != "gevent" || e.name != "max_requests" && e.name != "refork") {
				continue
			}
			for _, load := range []string{"idle", "0.95", "1.1"} {
				// Of the short form's pairs each has one load, and the two classes that
				// leave in every way have each way with either.
				if !soaks() && load != map[bool]string{true: "idle", false: "1.1"}[(which+way)%2 == 0] {
					continue
				}
				t.Run(k.name+"/"+e.name+"/"+load, func(t *testing.T) {
					t.Parallel()
					plannedExits(t, k, speech{}, e, load)
				})
			}
		}
	}
}

// So it is for clients that speak TLS or HTTP/2.
func TestPlannedExitsLoseNothingOverTLSAndHTTP2(t *testing.T) {
	t.Parallel()
	for which, k := range ledgerKinds {
		for way, e := range exits {
			if k.app == "handler" || len(e.only) > 0 && !slices.Contains(e.only, k.name) {
				continue // Go handlers have no gateway, which TLS and HTTP/2 are the work of
			}
			for i, sp := range speeches {
				// The short form has one class for each pair of a way and a speech that
				// concerns the gateway's end of a connection most.
				if !soaks() && (e.name != "HUP" && e.name != "max_requests" || (which+way)%len(speeches) != i) {
					continue
				}
				for at, load := range []string{"idle", "0.95", "1.1"} {
					if !soaks() && at != 2*(which%2) {
						continue
					}
					t.Run(k.name+"/"+e.name+"/"+sp.name+"/"+load, func(t *testing.T) {
						t.Parallel()
						plannedExits(t, k, sp, e, load)
					})
				}
			}
		}
	}
}

func plannedExits(t *testing.T, k ledgerKind, sp speech, e exit, load string) {
	socket := filepath.Join(t.TempDir(), "ctl")
	s := startLedgerFor(t, k, sp, append([]string{"-w", "2", "--control-socket", socket}, e.args...)...)
	s.socket = socket
	s.ready()
	o := s.idleLoad()
	if share, err := strconv.ParseFloat(load, 64); err == nil {
		o = s.queuedLoad(2, share, 50*time.Millisecond)
	}
	if k.app == "handler" {
		// Each open connection has one of the worker's few places, an idle one too.
		o.Client = s.client(false)
	}
	l := s.begin(o)
	answered(t, l, 10)
	for range rounds() {
		e.leave(t, s, l)
	}
	answered(t, l, 10)
	s.settle(l)
	s.stop()
}

// A new binary takes over (USR2) and nothing is lost. Each request has a
// connection of its own, but with HTTP/2: the old gonicorn closes those that are
// idle.
func TestUpgradesLoseNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		speech speech
	}{{"sync", speech{}}, {"event-loop", speech{}}, {"command", speech{}}, {"event-loop", speeches[0]}, {"sync", speeches[1]}, {"command", speeches[2]}} {
		t.Run(strings.TrimSuffix(c.name+"/"+c.speech.name, "/"), func(t *testing.T) {
			t.Parallel()
			pidfile := filepath.Join(t.TempDir(), "pid")
			s := startLedgerFor(t, ledgerKindOf(t, c.name), c.speech, "-w", "2", "--pid", pidfile)
			s.ready()
			t.Cleanup(func() {
				for _, file := range []string{pidfile, pidfile + ".2"} {
					if pid := heldBy(t, file); pid > 1 && pid != s.cmd.Process.Pid {
						_ = syscall.Kill(pid, syscall.SIGQUIT) // it may be gone
					}
				}
			})
			o := s.queuedLoad(2, 1.1, 50*time.Millisecond)
			o.Client = s.client(c.speech.http2) // HTTP/2 tells clients which requests nobody has begun
			l := s.begin(o)
			answered(t, l, 10)
			for range rounds() {
				old := heldBy(t, pidfile)
				next := successor(t, s.server, pidfile)
				kill(t, old, syscall.SIGTERM)
				s.expect(`\[` + strconv.Itoa(next) + `\].*took over from=` + strconv.Itoa(old))
			}
			answered(t, l, 10)
			s.settle(l)
			mark := s.log.mark()
			kill(t, heldBy(t, pidfile), syscall.SIGTERM)
			s.expectFrom(mark, `gonicorn has stopped`)
		})
	}
}

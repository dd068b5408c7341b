//go:build linux

package e2e

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A worker that is killed, that stands still without a request, or that hangs
// in one is replaced in the same way, whatever it is and whatever its class.
func TestEveryWorkerFaultEndsTheSameWay(t *testing.T) {
	t.Parallel()
	for _, c := range crews() {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			const timeout = 2 * time.Second
			args := []string{"-w", "2", "--timeout", timeout.String()}
			if c.class == "threaded" { // whose requests may take long
				args = append(args, "--request-timeout", timeout.String())
			}
			s := c.start(t, args...)
			addr := s.addr()

			victim, mark, began := anyOf(s.pids()), s.log.mark(), time.Now()
			kill(t, victim, syscall.SIGKILL)
			t.Logf("killed: replaced after %s", s.replaced(mark, began, victim))
			s.expectFrom(mark, `worker lost .*killed by SIGKILL.*code=GON041`)
			s.allServe(8)

			victim, mark, began = anyOf(s.pids()), s.log.mark(), time.Now()
			stopProcess(t, victim)
			t.Logf("stopped: replaced after %s", s.replaced(mark, began, victim))
			s.expectFrom(mark, `worker hangs.*(stopped by a signal|no heartbeat).*code=GON040`)
			s.expectFrom(mark, `worker gone`)
			s.allServe(8)

			if c.hangs {
				mark, began = s.log.mark(), time.Now()
				status, took := ask(context.Background(), http.MethodPost, addr, "/hang")
				if status != 0 && status < 500 || c.kind != "go" && status != http.StatusGatewayTimeout && status != http.StatusBadGateway {
					t.Errorf("a POST that hangs is answered %d after %s", status, took)
				}
				s.expectFrom(mark, `worker hangs.*code=GON040`)
				s.expectFrom(mark, `worker ready`)
				t.Logf("hung: answered %d after %s, replaced after %s", status, took, time.Since(began))
				s.expectFrom(mark, `worker gone`)
				s.allServe(8)
			}
			if n := s.count(0, "worker started"); n > 2+3 {
				t.Errorf("%d workers were started for three faults", n)
			}
			s.stopsWithin(10 * time.Second)
		})
	}
}

// Status says so while a worker stands still, before it is replaced.
func TestStatusShowsAStoppedWorker(t *testing.T) {
	t.Parallel()
	for _, c := range crews() {
		if c.class == "threaded" {
			continue // as sync
		}
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			socket := filepath.Join(t.TempDir(), "ctl")
			s := told{c.start(t, "-w", "2", "--timeout", "30", "--control-socket", socket), socket}
			s.want("2 of 2 ready", "status")
			victim := anyOf(s.pids())
			stopProcess(t, victim)
			s.want("1 of 2 ready", "status")
			s.want("stopped", "status")
			kill(t, victim, syscall.SIGCONT)
			eventually(t, "the worker is ready again", func() bool {
				_, out := s.run("status")
				return strings.Contains(out, "2 of 2 ready")
			})
			s.stopsWithin(10 * time.Second)
		})
	}
}

// A command that hangs as a whole gets no more requests, and TERM does not wait
// for it.
func TestHungCommandGetsNoMoreRequests(t *testing.T) {
	t.Parallel()
	for _, class := range []string{"threaded", "event-loop"} {
		t.Run(class, func(t *testing.T) {
			t.Parallel()
			s := crew{kind: "command", class: class}.start(t, "-w", "2", "--timeout", "4s", "--graceful-timeout", "30")
			addr := s.addr()
			hung := make(chan int, 1)
			go func() {
				status, _ := ask(context.Background(), http.MethodGet, addr, "/hang")
				hung <- status
			}()
			if class == "event-loop" {
				s.expect(`worker does not react: it gets no requests until it does`)
				for range 16 {
					w := startWatch()
					if status, _ := ask(context.Background(), http.MethodGet, addr, "/"); status != 200 {
						t.Fatalf("%d beside a worker that hangs", status)
					}
					w.expectAtMost(t, 2*time.Second, "a request beside a worker that hangs")
				}
			}
			if status := <-hung; status != http.StatusGatewayTimeout {
				t.Errorf("the request that hangs is answered %d", status)
			}
			s.expect(`worker hangs.*code=GON040`)
			s.expect(`worker gone`)
			s.allServe(8)
			s.stopsWithin(10 * time.Second)
		})
	}
}

// TERM does not wait for graceful_timeout when what it waits for hangs.
func TestStopDoesNotWaitForAHungCommand(t *testing.T) {
	t.Parallel()
	for _, class := range []string{"threaded", "event-loop"} {
		t.Run(class, func(t *testing.T) {
			t.Parallel()
			s := crew{kind: "command", class: class}.start(t, "-w", "1", "--timeout", "1s", "--graceful-timeout", "30")
			for range 3 {
				go ask(context.Background(), http.MethodGet, s.addr(), "/hang")
			}
			eventually(t, "the worker is busy", func() bool { return procState(anyOf(s.pids())) == 'R' })
			s.stopsWithin(10 * time.Second)
		})
	}
}

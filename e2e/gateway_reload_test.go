//go:build linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestConnectionsSurviveReloads(t *testing.T) {
	t.Parallel()
	s := web(t, options{}, "-w", "2", "--keep-alive", "30").ready()
	gateway := gatewayPID(s)
	k := dial(t, s.addr())
	k.get("/")
	for i := range 3 {
		mark := s.log.mark()
		s.signal(syscall.SIGHUP)
		s.expectFrom(mark, `new generation serves`)
		eventually(t, "the new generation answers", func() bool {
			resp, body := k.get("/")
			if resp.StatusCode != 200 {
				t.Fatalf("after reload %d: %d %q", i+1, resp.StatusCode, body)
			}
			return strings.Contains(body, fmt.Sprintf("generation %d", i+2))
		})
	}
	if gatewayPID(s) != gateway {
		t.Error("the gateway was exchanged although no setting of it changed")
	}
	s.stop()
}

func TestReloadsFailNoRequest(t *testing.T) {
	t.Parallel()
	s := web(t, options{}, "-w", "2", "-k", "event-loop").ready()
	l := startLoad(t, s.addr(), 4)
	for range 5 {
		mark := s.log.mark()
		s.signal(syscall.SIGHUP)
		s.expectFrom(mark, `new generation serves`)
	}
	l.expectNoFailure(t)
	s.stop()
}

func TestChangedGatewayIsExchangedWithoutLoss(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "gunicorn.toml")
	write := func(size int) {
		if err := os.WriteFile(file, fmt.Appendf(nil, "queue_size = %d\n", size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(500)
	s := web(t, options{dir: dir}, "-w", "2", "-k", "event-loop").ready()
	old := gatewayPID(s)
	l := startLoad(t, s.addr(), 4)
	for i := range 3 {
		write(600 + i)
		mark := s.log.mark()
		s.signal(syscall.SIGHUP)
		s.expectFrom(mark, `gateway gone`)
		s.expectFrom(mark, `worker gone`)
	}
	l.expectNoFailure(t)
	if gatewayPID(s) == old {
		t.Error("the gateway was not exchanged")
	}
	s.stop()
}

func TestKilledWorkersFailNoGET(t *testing.T) {
	t.Parallel()
	s := web(t, options{}, "-w", "3", "-k", "event-loop").ready()
	l := startLoad(t, s.addr(), 4)
	for range 5 {
		mark := s.log.mark()
		if err := syscall.Kill(anyOf(s.pids()), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		s.expectFrom(mark, `worker ready`)
	}
	l.expectNoFailure(t)
	s.stop()
}

func TestRequestOfADeadWorkerIsReplayedOnlyWhereSafe(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]int{"GET": 200, "OPTIONS": 200, "POST": 502, "DELETE": 502} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			s := web(t, options{env: []string{"E2E_ONCE=" + newOnce(t.TempDir())}}, "-w", "2").ready()
			k := dial(t, s.addr())
			k.send(method + " /crash-once HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
			if resp, body := k.answer(method); resp.StatusCode != want {
				t.Errorf("%d %q, want %d", resp.StatusCode, body, want)
			}
			s.stop()
		})
	}
}

func TestKilledGatewayComesBack(t *testing.T) {
	t.Parallel()
	s := web(t, options{}, "-w", "1").ready()
	k := dial(t, s.addr())
	k.get("/")
	mark := s.log.mark()
	if err := syscall.Kill(gatewayPID(s), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if status, body := get(t, s.addr(), "/"); status != 200 { // waits in the backlog meanwhile
		t.Fatalf("%d %q", status, body)
	}
	s.expectFrom(mark, `gateway lost`)
	s.expectFrom(mark, `gateway ready`)
	s.stop()
}

func TestHungRequestIsAnsweredAndItsWorkerReplaced(t *testing.T) {
	t.Parallel()
	s := web(t, options{}, "-w", "1", "-k", "sync", "--timeout", "2s").ready()
	old := anyOf(s.pids())
	k := dial(t, s.addr())
	resp, _ := k.get("/hang")
	if resp.StatusCode != 504 {
		t.Fatalf("status %d, want 504", resp.StatusCode)
	}
	s.expect(`worker hangs.*pid=` + strconv.Itoa(old))
	if status, body := get(t, s.addr(), "/"); status != 200 || pidIn(t, body) == old {
		t.Fatalf("%d %q", status, body)
	}
	s.stop()
}

func TestEventLoopWorkerOutlivesASlowRequest(t *testing.T) {
	t.Parallel()
	s := web(t, options{}, "-w", "1", "-k", "event-loop", "--request-timeout", "200ms").ready()
	old := anyOf(s.pids())
	if resp, _ := dial(t, s.addr()).get("/hang"); resp.StatusCode != 504 {
		t.Fatalf("status %d, want 504", resp.StatusCode)
	}
	if _, body := get(t, s.addr(), "/"); pidIn(t, body) != old {
		t.Errorf("another worker answers: %q, want %d", body, old)
	}
	s.stop()
}

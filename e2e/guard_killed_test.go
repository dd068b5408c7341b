//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// relatives starts a command that forks a child before it serves, and returns
// both: neither knows of a lifeline. Unwilling ones ignore TERM.
func relatives(t *testing.T, unwilling bool, args ...string) (s *server, pids []int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "child")
	script := "sleep 600 & echo $! >" + file + "; exec " + os.Getenv("E2E_APP")
	if unwilling {
		script = "trap '' TERM; sleep 600 & echo $! >" + file + "; while :; do sleep 1; done & exec " + os.Getenv("E2E_APP")
	}
	s = startWith(t, options{env: []string{envRole + "=web"}}, append(append([]string{"-w", "1", "-b", "127.0.0.1:0"}, args...), "--", "sh", "-c", script)...).ready()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(child, syscall.SIGKILL) }) // it is gone, or the test has failed
	return s, append(s.children(), child)
}

// killBoth kills arbiter and guard, in this order or the other.
func killBoth(t *testing.T, s *server, guardFirst bool) {
	t.Helper()
	guard := s.process("guard")
	if guard == 0 {
		t.Fatal("there is no guard")
	}
	if guardFirst {
		kill(t, guard, syscall.SIGKILL)
	}
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if !guardFirst {
		kill(t, guard, syscall.SIGKILL)
	}
}

// When the guard dies with the arbiter, the gateway ends the workers and what
// they have forked.
func TestKilledArbiterAndGuardLeaveNoProcess(t *testing.T) {
	for _, c := range []struct {
		name                  string
		guardFirst, unwilling bool
		within                time.Duration
	}{
		{name: "arbiter first", within: 4 * time.Second},
		{name: "guard first", guardFirst: true, within: 4 * time.Second},
		{name: "ignores TERM", unwilling: true, within: 5 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			graceful := "20"
			if c.unwilling {
				graceful = "2"
			}
			s, pids := relatives(t, c.unwilling, "--graceful-timeout", graceful)
			killBoth(t, s, c.guardFirst)
			goneWithin(t, c.within, pids...)
		})
	}
}

// A request in flight is finished all the same: the command gets its TERM after
// that.
func TestKilledArbiterAndGuardCutNothing(t *testing.T) {
	t.Parallel()
	s, pids := relatives(t, false, "--graceful-timeout", "20")
	mark := s.log.mark()
	answer := asking(s.addr(), "/slow?ms=1500")
	s.expectFrom(mark, `slow began`)
	killBoth(t, s, false)
	if o := <-answer; o.err != nil || o.status != 200 {
		t.Errorf("in flight: %s", o)
	}
	goneWithin(t, 4*time.Second, pids...)
}

// The gateway can do so with privileges dropped, as the workers' user, while
// they are in landlock domains of their own.
func TestKilledArbiterAndGuardOfAnotherUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	h := startHostile(t, "command", "event-loop", 65000+os.Getpid()%400)
	pids := h.children()
	killBoth(t, h.server, false)
	goneWithin(t, 8*time.Second, pids...)
}

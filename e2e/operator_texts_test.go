//go:build linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func containsLine(lines []string, text string) bool {
	return slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, text) })
}

// A reload says which changed settings it does not apply, once and by name.
func TestReloadNamesWhatItDoesNotApply(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(n int) {
		text := fmt.Sprintf("errorlog = \"-\"\npidfile = \"pid%d\"\nworkers = %d\nqueue_size = %d\n", n, n, 100*n)
		if n == 2 {
			text = strings.Replace(text, `"-"`, `"elsewhere.log"`, 1)
		}
		if err := os.WriteFile(filepath.Join(dir, "gunicorn.toml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(1)
	s := web(t, options{dir: dir}).ready()
	mark := s.log.mark()
	s.signal(syscall.SIGHUP)
	s.expectFrom(mark, `new generation serves`)
	if containsLine(s.log.lines(mark), "does not apply") {
		t.Error("it warns though nothing was changed")
	}
	write(2)
	mark = s.log.mark()
	s.signal(syscall.SIGHUP)
	s.expectFrom(mark, `WARN.*some changed settings are not applied by a reload; restart gonicorn.* settings="?(errorlog, pidfile|pidfile, errorlog)"?$`)
	s.expectFrom(mark, `new generation serves generation=3 workers=2`)
	s.expectFrom(mark, `gateway gone`)
	for _, line := range s.log.lines(mark) {
		if strings.Contains(line, "new generation serves") && !strings.Contains(line, "workers=2") {
			t.Errorf("the gateway's one process is taken for the workers': %s", line)
		}
	}
	s.stop()
}

// A gateway or Go worker says what it drops at the end of graceful_timeout, and
// ends by itself: it is not said to be killed at the same moment.
func TestLastMomentIsNoKill(t *testing.T) {
	t.Parallel()
	for _, u := range []subject{{"wsgi", "event-loop", 2}, {"handler", "event-loop", 2}} {
		t.Run(u.String(), func(t *testing.T) {
			t.Parallel()
			s := u.start(t, options{}, "--graceful-timeout", "1s")
			held := asking(s.addr(), "/slow?ms=30000")
			s.expect(`slow began`)
			s.signal(syscall.SIGTERM)
			s.wait()
			<-held
			s.expect(`WARN.*graceful_timeout is over; dropping what is in flight.*oldest=.*GET /slow`)
			for _, role := range []string{"gateway", "worker"} {
				if u.behindGateway() == (role == "gateway") && containsLine(s.log.lines(0), role+" did not go in time") {
					t.Errorf("the %s, which ends by itself, is killed", role)
				}
			}
		})
	}
}

// A hang is told without numbers that mean nothing to an operator.
func TestHangIsToldWithoutInternalNumbers(t *testing.T) {
	t.Parallel()
	s := python(t, "subjects_app:app", "-w", "1", "--timeout", "500ms").ready()
	asking(s.addr(), "/slow?ms=20000")
	line := s.expect(`.*worker hangs.*`)[0]
	if !strings.Contains(line, `reason="a request has been running for`) {
		t.Error(line)
	}
	s.signal(syscall.SIGQUIT)
	s.wait()
}

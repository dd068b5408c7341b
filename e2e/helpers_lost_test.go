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

	"github.com/gonicorn/gonicorn/internal/platform"
)

// replacedHelper sends a signal to the process of a role, and waits until there
// is another one. It returns how long that took.
func (s *server) replacedHelper(role string, sig syscall.Signal) time.Duration {
	s.t.Helper()
	old := s.process(role)
	if old == 0 {
		s.t.Fatalf("there is no process %s", role)
	}
	w := startWatch()
	if err := syscall.Kill(old, sig); err != nil {
		s.t.Fatal(err)
	}
	for time.Since(w.began) < bound {
		if pid := s.process(role); pid != 0 && pid != old && !alive(old) {
			return w.took()
		}
		time.Sleep(5 * time.Millisecond)
	}
	s.t.Fatalf("the process %s was not replaced after %v", role, sig)
	return 0
}

// Whatever process of gonicorn's own is killed or stopped, another one takes
// its place, once, and one line of the log says so.
func TestLostHelpersAreReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	conf := filepath.Join(dir, "gunicorn.conf.py")
	if err := os.WriteFile(conf, []byte("def when_ready(server):\n    pass\n\ndef child_exit(server, worker):\n    print('child_exit ran', flush=True)\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := python(t, "subjects_app:app", "-w", "2", "-c", conf, "--start-method", "fork", "--admin-bind", "127.0.0.1:0", "--timeout", "1s").ready()
	for _, c := range []struct {
		role string
		sig  syscall.Signal
		most time.Duration // until another process is there
		line string
	}{
		{"gateway", syscall.SIGKILL, time.Second, `ERROR.* gateway lost .* pid=%d .*code=GON041`},
		{"guard", syscall.SIGKILL, time.Second, `ERROR.* guard lost .* pid=%d .*code=GON041`},
		{"monitor", syscall.SIGKILL, time.Second, `ERROR.* monitor lost .* pid=%d .*code=GON041`},
		{"template", syscall.SIGKILL, 3 * time.Second, `ERROR.* template process has ended.* pid=%d`},
		{"gateway", syscall.SIGSTOP, 6 * time.Second, `ERROR.* gateway hangs.* pid=%d .*code=GON040`},
		{"guard", syscall.SIGSTOP, 6 * time.Second, `ERROR.* guard hangs.* pid=%d .*code=GON040`},
		{"monitor", syscall.SIGSTOP, 6 * time.Second, `ERROR.* monitor hangs.* pid=%d .*code=GON040`},
	} {
		if c.role == "template" && platform.Portable {
			continue // there is none
		}
		mark, pid := s.log.mark(), strconv.Itoa(s.process(c.role))
		took := s.replacedHelper(c.role, c.sig)
		t.Logf("%s %v: %s", c.role, c.sig, took.Round(time.Millisecond))
		if took > c.most {
			t.Errorf("%s after %v: replaced after %s, want %s", c.role, c.sig, took, c.most)
		}
		s.expectFrom(mark, strings.ReplaceAll(c.line, "%d", pid))
		if status, _ := get(t, s.addr(), "/"); status != 200 {
			t.Errorf("%s after %v: status %d", c.role, c.sig, status)
		}
	}
	// Hooks run in a process that is there from the first hook on.
	mark, hooks := s.log.mark(), s.process("hooks")
	kill(t, hooks, syscall.SIGKILL)
	s.expectFrom(mark, `ERROR.* hooks process has ended.* pid=`+strconv.Itoa(hooks))
	kill(t, anyOf(s.pids()), syscall.SIGKILL)
	s.expectFrom(mark, `child_exit ran`)
	pids := s.children()
	s.stop()
	goneWithin(t, time.Second, pids...)
}

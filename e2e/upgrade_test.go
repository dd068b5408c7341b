//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// heldBy reads a pidfile; 0 if it is not there.
func heldBy(t *testing.T, path string) int {
	t.Helper()
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text))) // empty while it is written
	return pid
}

// kill signals a gonicorn that is not the test's own child.
func kill(t *testing.T, pid int, sig syscall.Signal) {
	t.Helper()
	if pid <= 1 { // 0 would be this process and all beside it (kill(2))
		t.Fatalf("there is no process to be killed: %d", pid)
	}
	if err := syscall.Kill(pid, sig); err != nil {
		t.Fatalf("signal %d: %v", pid, err)
	}
}

// upgradable starts an app whose old gonicorns may end without ending the test.
func upgradable(t *testing.T, args ...string) (s *server, pidfile string) {
	pidfile = filepath.Join(t.TempDir(), "pid")
	s = web(t, options{}, append([]string{"-w", "2", "-k", "event-loop", "--pid", pidfile, "--graceful-timeout", "10"}, args...)...).ready()
	t.Cleanup(func() {
		for _, file := range []string{pidfile, pidfile + ".2"} {
			if pid := heldBy(t, file); pid > 1 && pid != s.cmd.Process.Pid {
				_ = syscall.Kill(pid, syscall.SIGQUIT) // it may be gone
			}
		}
	})
	return s, pidfile
}

// successor has the gonicorn in the pidfile start another one and returns that
// one's pid once it serves.
func successor(t *testing.T, s *server, pidfile string) int {
	t.Helper()
	mark := s.log.mark()
	kill(t, heldBy(t, pidfile), syscall.SIGUSR2)
	pid, err := strconv.Atoi(s.expectFrom(mark, `the new gonicorn serves beside this one.* pid=(\d+)`)[1])
	if err != nil {
		t.Fatal(err)
	}
	if got := heldBy(t, pidfile+".2"); got != pid {
		t.Fatalf("%s.2 has %d, want %d", pidfile, got, pid)
	}
	return pid
}

// Eight new binaries (twenty in the long form), of which every other one is sent away again, and no
// request fails.
func TestUpgradesUnderLoad(t *testing.T) {
	t.Parallel()
	for _, bind := range []string{"tcp", "unix", "reuse_port"} {
		t.Run(bind, func(t *testing.T) {
			t.Parallel()
			var args []string
			socket := filepath.Join(t.TempDir(), "s")
			switch bind {
			case "unix":
				args = []string{"-b", "unix:" + socket}
			case "reuse_port":
				args = []string{"--reuse-port"}
			}
			s, pidfile := upgradable(t, args...)
			addr := socket
			if bind != "unix" {
				addr = s.addr()
			}
			l := startLoad(t, addr, 2)
			rounds := times(8, 20)
			var kept *load
			if bind == "tcp" {
				kept = startKeepAlive(t, addr, 2)
			} else {
				rounds = 4
			}
			for i := range rounds {
				old := heldBy(t, pidfile)
				next := successor(t, s, pidfile)
				mark := s.log.mark()
				if i%2 == 0 {
					kill(t, next, syscall.SIGTERM)
					s.expectFrom(mark, fmt.Sprintf(`the new gonicorn is gone; this one serves on.* pid=%d`, next))
					if got := heldBy(t, pidfile); got != old {
						t.Fatalf("after going back the pidfile has %d, want %d", got, old)
					}
				} else {
					if i%4 == 1 { // as Gunicorn's manual has it
						kill(t, old, syscall.SIGWINCH)
						s.expectFrom(mark, fmt.Sprintf(`\[%d\].* worker gone .*reason=drained`, old))
						s.expectFrom(mark, fmt.Sprintf(`\[%d\].* worker gone .*reason=drained`, old))
					}
					kill(t, old, syscall.SIGTERM)
					s.expectFrom(mark, fmt.Sprintf(`\[%d\].*took over from=%d`, next, old))
					eventually(t, "the pidfile is the new one's", func() bool { return heldBy(t, pidfile) == next && heldBy(t, pidfile+".2") == 0 })
				}
				l.served(t, 20)
			}
			l.expectNoFailure(t)
			if kept != nil {
				kept.expectNoFailure(t)
			}
			mark := s.log.mark()
			kill(t, heldBy(t, pidfile), syscall.SIGTERM)
			s.expectFrom(mark, `gonicorn has stopped`)
			if bind == "unix" {
				eventually(t, "the socket's file is gone", func() bool {
					_, err := os.Stat(socket)
					return errors.Is(err, fs.ErrNotExist)
				})
			}
		})
	}
}

func TestBrokenUpgradeLeavesTheOldServing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "gunicorn.toml")
	if err := os.WriteFile(file, []byte("workers = 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := web(t, options{dir: dir}).ready()
	l := startLoad(t, s.addr(), 2)
	if err := os.WriteFile(file, []byte("workers = many\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGUSR2)
	s.expect(`the new gonicorn does not serve: this one goes on.*not TOML`)
	l.served(t, 20)
	l.expectNoFailure(t)
	s.stop()
}

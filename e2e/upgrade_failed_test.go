//go:build linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// replaceable starts a gonicorn whose binary can be replaced by a script.
func replaceable(t *testing.T, args ...string) (s *server, replace func(script string)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gonicorn")
	if err := os.Symlink(binary(), path); err != nil {
		t.Fatal(err)
	}
	args = append([]string{"demo", "-b", "127.0.0.1:0"}, args...)
	s = startWith(t, options{shell: fmt.Sprintf("exec %q \"$@\"", path)}, args...).ready()
	return s, func(script string) {
		t.Helper()
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

// upgrades sends USR2 and returns the new process.
func (s *server) upgrades() int {
	s.t.Helper()
	mark := s.log.mark()
	s.signal(syscall.SIGUSR2)
	pid, _ := strconv.Atoi(s.expectFrom(mark, `new gonicorn started pid=(\d+)`)[1])
	return pid
}

func TestUpgradeOntoWhatFailsIsSaid(t *testing.T) {
	t.Parallel()
	s, replace := replaceable(t)
	replace("exit 1")
	s.upgrades()
	s.expect(`ERROR.*the new gonicorn does not serve: this one goes on.*--check-config.*it ended before it served: exited with code 1.*code=GON051`)
	if n := s.log.lines(0); containsLine(n, "--daemon") {
		t.Error("it speaks of --daemon, which nobody has used")
	}
	get(t, s.addr(), "/")
	s.stop()
}

// A new binary that hangs is ended after twice boot_timeout, and is in nobody's
// way then.
func TestUpgradeOntoWhatHangsIsEnded(t *testing.T) {
	t.Parallel()
	s, replace := replaceable(t, "--boot-timeout", "1s")
	replace("trap '' TERM; while :; do sleep 1; done")
	for range 2 {
		mark := s.log.mark()
		pid := s.upgrades()
		s.expectFrom(mark, `ERROR.*the new gonicorn does not serve: this one goes on.*did not serve within 2s.*code=GON051`)
		if alive(pid) {
			t.Errorf("the new process %d lives", pid)
		}
	}
	get(t, s.addr(), "/")
	s.stop()
}

// TERM waits for a new binary that has not served yet: it may be about to. A
// second TERM does not.
func TestHungUpgradeDoesNotOutliveTERM(t *testing.T) {
	t.Parallel()
	s, replace := replaceable(t, "--boot-timeout", "60s")
	replace("exec sleep 1000")
	pid := s.upgrades()
	s.signal(syscall.SIGTERM)
	s.expect(`waiting for the new gonicorn to serve; another TERM ends it pid=` + strconv.Itoa(pid))
	w := startWatch()
	s.stop()
	w.expectAtMost(t, 2*time.Second, "the end")
	if alive(pid) {
		t.Error("the new process lives")
	}
}

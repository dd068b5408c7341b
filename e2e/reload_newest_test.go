//go:build linux

package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A reload does not wait for the trial or the rollout of the one before.
func TestNewestReloadWins(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"trial":   {"--canary", "--canary-time", "300"},
		"rollout": {"--reload-strategy", "rolling", "--reload-batch", "1", "--reload-pause", "300s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, v := versioned(t, append([]string{"-w", "2"}, args...)...)
			s.ready()
			v.write(fmt.Sprintf(goodApp, 2))
			s.signal(syscall.SIGHUP)
			s.expect(`(canary serves|reload goes on).*generation=2`)
			v.write(fmt.Sprintf(goodApp, 3))
			began := time.Now()
			s.signal(syscall.SIGHUP)
			s.expect(`a newer reload replaces the one in progress.*generation=3 superseded=2`)
			s.expect(`(canary serves|reload goes on).*generation=3`)
			if took := time.Since(began); took > time.Minute {
				t.Errorf("the newest reload waited for %s", took)
			}
			if strings.Contains(s.log.text(), "reload failed") {
				t.Error("a reload that was superseded counts as failed")
			}
			s.stop()
		})
	}
}

// onceApp starts once and never again.
// Nothing but workers imports it where the class is given.
const onceApp = `
import os
mark = os.path.join(os.path.dirname(__file__), "started")
if os.path.exists(mark):
    raise RuntimeError("not twice")
open(mark, "w").close()
` + goodApp

// What a failed rollout has left on disk is not started again and again beside
// the workers that serve.
func TestFailedRolloutKeepsWhatServes(t *testing.T) {
	t.Parallel()
	s, v := versioned(t, "-w", "3", "-k", "sync", "--reload-strategy", "rolling", "--reload-batch", "1")
	s.ready()
	l := startLoad(t, s.addr(), 2)
	v.write(fmt.Sprintf(onceApp, 2))
	s.signal(syscall.SIGHUP)
	s.expect(`reload failed: the old generation keeps serving`)
	s.expect(`the generation that serves cannot be started again.*code=GON045`)
	starts := strings.Count(s.log.text(), "worker started")
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
		l.served(t, 50)
	}
	if more := strings.Count(s.log.text(), "worker started"); more != starts {
		t.Errorf("%d workers were started beside those that serve", more-starts)
	}
	if n := strings.Count(s.log.text(), "GON045"); n != 1 {
		t.Errorf("it was said %d times, want once", n)
	}
	v.write(fmt.Sprintf(goodApp, 3))
	s.signal(syscall.SIGHUP)
	s.expect(`new generation serves.*generation=3`)
	l.expectNoFailure(t)
	s.stop()
}

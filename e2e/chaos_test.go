//go:build linux

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// For a minute workers are killed, stopped, hung and scaled at random under
// load. Then all must be as if nothing had been.
func TestChaos(t *testing.T) {
	length := time.Minute
	if testing.Short() {
		length = 5 * time.Second
	}
	const workers = 4
	s := demo(t, "-w", fmt.Sprint(workers), "-k", "threaded", "--threads", "4", "--timeout", "2", "--request-timeout", "2", "--graceful-timeout", "3").ready()
	addr := s.addr()
	fdsBefore := openFDs(s.cmd.Process.Pid)
	seen := map[int]bool{}
	end := time.After(length)
	pace := time.NewTicker(150 * time.Millisecond)
	defer pace.Stop()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	l := startLoad(t, addr, 2)
	extra := 0
loop:
	for {
		select {
		case <-end:
			break loop
		case <-pace.C:
		}
		var pids []int
		for pid := range s.pids() {
			pids = append(pids, pid)
			seen[pid] = true
		}
		if len(pids) == 0 {
			continue
		}
		victim := pids[random.IntN(len(pids))]
		switch random.IntN(7) {
		case 0:
			_ = syscall.Kill(victim, syscall.SIGKILL)
		case 1:
			_ = syscall.Kill(victim, syscall.SIGSEGV)
		case 2:
			_ = syscall.Kill(victim, syscall.SIGSTOP)
		case 3:
			go tryGet(context.Background(), addr, "/hang") // it is meant to fail
		case 4:
			if extra < 4 {
				extra++
				s.signal(syscall.SIGTTIN)
			}
		case 5:
			if extra > 0 {
				extra--
				s.signal(syscall.SIGTTOU)
			}
		case 6:
			s.signal(syscall.SIGHUP)
			extra = 0
		}
	}
	l.stop()
	if ok := l.done.Load() - l.failed.Load(); ok == 0 {
		t.Fatalf("not one of %d requests was served; the first failure: %v", l.done.Load(), l.first.Load())
	}
	t.Logf("%d requests, of which %d failed with their worker; %d workers seen", l.done.Load(), l.failed.Load(), len(seen))

	// HUP sets the number of workers back; one that came during a reload has
	// another follow it.
	eventually(t, "no worker hangs, and the last reload is over", func() bool {
		mark := s.log.mark()
		s.signal(syscall.SIGHUP)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := s.log.find(ctx, mark, regexp.MustCompile(`new generation serves`))
		return err == nil
	})
	eventually(t, "all workers are ready and no others are left", func() bool {
		pids := s.pids()
		for _, child := range s.children() {
			if zombie(child) || pids[child] == 0 {
				return false
			}
		}
		return len(pids) == workers && len(s.children()) == workers
	})
	for range 20 {
		get(t, addr, "/")
	}
	for pid := range seen {
		if s.pids()[pid] == 0 && alive(pid) && strings.Contains(cmdline(pid), "gonicorn") {
			t.Errorf("worker %d is an orphan", pid)
		}
	}
	if n := openFDs(s.cmd.Process.Pid); n > fdsBefore+2 {
		t.Errorf("the arbiter has %d descriptors, %d at the start", n, fdsBefore)
	}
	s.stop()
}

func openFDs(pid int) int {
	entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(entries)
}

func cmdline(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return string(text)
}

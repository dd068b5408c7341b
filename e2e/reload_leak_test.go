//go:build linux

package e2e

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// footprint is what a process holds that a leak would make grow.
type footprint struct{ descriptors, threads, anonKiB int }

func footprintOf(t *testing.T, pid int) footprint {
	t.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	return footprint{openFDs(pid), int(number(string(text), `Threads:\s+(\d+)`)), int(number(string(text), `RssAnon:\s+(\d+) kB`))}
}

// Reloads leave nothing behind in the arbiter and the gateway. The first ones
// fill pools and the log's ring, and are not counted: the memory that Go's heap
// grows by until it is collected for the first time, 4 MiB, is no leak.
func TestReloadsLeakNothing(t *testing.T) {
	t.Parallel()
	first, more := times(12, 100), times(20, 1000)
	s := web(t, options{}, "-w", "1", "-k", "event-loop", "--log-level", "debug").ready()
	addr := s.addr()
	generation := 1
	reload := func(n int) {
		for range n {
			generation++
			s.signal(syscall.SIGHUP)
			want := "generation " + strconv.Itoa(generation) + " "
			eventually(t, "the new generation answers", func() bool {
				_, body := get(t, addr, "/")
				return strings.Contains(body, want)
			})
		}
	}
	gateway := s.process("gateway")
	reload(first)
	arbiter, front := footprintOf(t, s.cmd.Process.Pid), footprintOf(t, gateway)
	reload(more)
	arbiterAfter, frontAfter := footprintOf(t, s.cmd.Process.Pid), footprintOf(t, gateway)
	t.Logf("arbiter %+v, then %+v; gateway %+v, then %+v", arbiter, arbiterAfter, front, frontAfter)
	for _, c := range []struct {
		who           string
		before, after footprint
	}{{"arbiter", arbiter, arbiterAfter}, {"gateway", front, frontAfter}} {
		if c.after.descriptors > c.before.descriptors+3 || c.after.threads > c.before.threads+4 || c.after.anonKiB > c.before.anonKiB+6<<10 {
			t.Errorf("the %s grows with each reload: %+v, %+v after %d more", c.who, c.before, c.after, more)
		}
	}
	s.stop()
	ends := s.expect(`arbiter ends .*goroutines=(\d+) heap_objects=(\d+)`)
	goroutines, _ := strconv.Atoi(ends[1])
	objects, _ := strconv.Atoi(ends[2])
	if goroutines > 30 || objects > 7000 { // 14 and 3,200 after 900 reloads
		t.Errorf("%d goroutines and %d objects are left after %d reloads", goroutines, objects, first+more)
	}
}

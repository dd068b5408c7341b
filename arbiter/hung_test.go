package arbiter

import (
	"syscall"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/signals"
)

func TestHungWorkersAreAborted(t *testing.T) {
	for _, c := range []struct {
		name   string
		boot   bool
		vitals func(now time.Duration) vitals
		after  time.Duration
		want   bool
	}{
		{"boot under boot_timeout", true, nil, 59 * time.Second, false},
		{"boot over boot_timeout", true, nil, 61 * time.Second, true},
		{"request under timeout", false, func(n time.Duration) vitals { return vitals{requestStart: n} }, 29 * time.Second, false},
		{"request over timeout", false, func(n time.Duration) vitals { return vitals{requestStart: n} }, 31 * time.Second, true},
		{"heartbeat over timeout", false, func(n time.Duration) vitals { return vitals{beats: true, heartbeat: n} }, 31 * time.Second, true},
		{"pulse over timeout", false, func(n time.Duration) vitals { return vitals{watched: true, pulse: n} }, 32 * time.Second, true},
		{"pulse of a watch that ended", false, func(n time.Duration) vitals { return vitals{pulse: n} }, time.Hour, false},
		{"command without heartbeat", false, func(n time.Duration) vitals { return vitals{heartbeat: n} }, time.Hour, false},
		{"a heartbeat in the future", false, func(n time.Duration) vitals { return vitals{beats: true, heartbeat: forever} }, time.Hour, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			th := newTheatre(t, generation(1, 1))
			if !c.boot {
				th.readyAll()
			}
			if c.vitals != nil {
				th.alive[101].vitals = c.vitals(th.now)
			}
			th.after(c.after)
			if got := th.signalled(101, syscall.SIGABRT); got != c.want {
				t.Fatalf("aborted: %v, want %v", got, c.want)
			}
			if !c.want {
				return
			}
			if th.lastPID == 101 {
				th.after(time.Second) // a hung boot is retried after a delay
			}
			if th.lastPID == 101 {
				t.Error("no successor was started while the hung one shows its stacks")
			}
			th.after(abortGrace)
			if !th.alive[101].killed {
				t.Error("not killed after the grace for its stacks")
			}
		})
	}
}

func TestWatchdogCountsFromItsFirstMessage(t *testing.T) {
	th := newTheatre(t, generation(1, 1))
	th.readyAll()
	th.after(time.Hour)
	th.say(101, "WATCHDOG", "1")
	th.after(29 * time.Second)
	if th.signalled(101, syscall.SIGABRT) {
		t.Fatal("aborted within timeout of its WATCHDOG=1")
	}
	th.after(2 * time.Second)
	if !th.signalled(101, syscall.SIGABRT) {
		t.Fatal("not aborted although WATCHDOG=1 stopped coming")
	}
}

func TestHaltedWorkerIsReplacedWithinItsTimeout(t *testing.T) {
	th := newTheatre(t, generation(1, 2))
	th.readyAll()
	pids, _, _ := th.serving()
	th.alive[pids[0]].halted = "stopped by a signal (SIGSTOP)"
	began := th.now
	for !th.signalled(pids[0], syscall.SIGABRT) {
		if th.after(time.Second); th.now-began > 30*time.Second {
			t.Fatal("a worker that stands still is not noticed within timeout")
		}
	}
	if took := th.now - began; took < 20*time.Second {
		t.Errorf("a worker that was stopped for %s only was given up", took)
	}
	if th.signalled(pids[1], syscall.SIGABRT) {
		t.Error("the other one was given up too")
	}
}

// One that stands still with a request in flight, or that has only just given its
// answer, says so too: it is no fault of the request's.
func TestHaltedWorkerWithARequestSaysSo(t *testing.T) {
	w := &worker{stage: ready, gen: generation(1, 1)}
	v, now := vitals{requestStart: time.Second, inFlight: 1}, time.Minute
	if why := hung(w, v, now); why != "a request has been running for 59s (request_timeout 30s)" {
		t.Error(why)
	}
	w.halted.since, w.halted.why = 50*time.Second, "stopped by a signal (SIGSTOP)"
	if why := hung(w, v, now); why != "a request has been running for 59s (request_timeout 30s); the process is stopped by a signal (SIGSTOP)" {
		t.Error(why)
	}
}

func TestWorkerThatRunsAgainIsLeftAlone(t *testing.T) {
	th := newTheatre(t, generation(1, 1))
	th.readyAll()
	pids, _, _ := th.serving()
	for range 10 {
		th.alive[pids[0]].halted = "stopped by a signal (SIGSTOP)"
		th.after(15 * time.Second)
		th.alive[pids[0]].halted = ""
		th.after(15 * time.Second)
	}
	if th.signalled(pids[0], syscall.SIGABRT) {
		t.Error("a worker that was stopped for half its timeout at a time was given up")
	}
}

func TestWorkerThatHangsWhileItDrainsIsNotWaitedFor(t *testing.T) {
	for name, v := range map[string]vitals{
		"request":   {inFlight: 1, requestStart: time.Second},
		"heartbeat": {inFlight: 1, beats: true, heartbeat: time.Second},
	} {
		gen := generation(1, 1)
		gen.Settings.Timeout, gen.Settings.RequestTimeout, gen.Settings.GracefulTimeout = 2*time.Second, 2*time.Second, time.Hour
		th := newTheatre(t, gen)
		th.readyAll()
		pids, _, _ := th.serving()
		th.alive[pids[0]].vitals = v
		th.act(signals.Stop)
		for range 8 {
			th.after(time.Second / 2)
		}
		if !th.signalled(pids[0], syscall.SIGABRT) {
			t.Errorf("%s: the worker hangs and is waited for", name)
		}
	}
}

package arbiter

import (
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/signals"
)

// house is the workers' fleet and the gateway's, coupled as in the arbiter.
type house struct {
	workers, front *theatre
	arbiter        *Arbiter
	published      [][]Peer
}

func gated(number, workers int) *Generation {
	g := generation(number, workers)
	g.Settings.Gated, g.Settings.DrainFirst, g.Settings.Notifies = true, true, true
	return g
}

func newHouse(t *testing.T, workers *Generation) *house {
	t.Helper()
	h := &house{workers: newTheatre(t, workers), front: newTheatre(t, generation(1, 1))}
	h.arbiter = &Arbiter{workers: h.workers.fleet, front: h.front.fleet}
	h.arbiter.Publish = func(p []Peer) { h.published = append(h.published, p) }
	h.arbiter.couple()
	h.workers.readyAll()
	h.front.readyAll()
	h.rest()
	return h
}

// rest lets both fleets act until neither has anything to do.
func (h *house) rest() {
	for range 5 {
		h.workers.pass()
		h.front.pass()
		h.arbiter.publish()
	}
}

func (h *house) last() []Peer { return h.published[len(h.published)-1] }

func TestWorkersBehindTheGatewayAreDrainedFirst(t *testing.T) {
	h := newHouse(t, gated(1, 2))
	pids, _, _ := h.workers.serving()
	h.workers.act(signals.Decrease)
	h.rest()
	if h.workers.signalled(pids[0], syscall.SIGTERM) {
		t.Fatal("TERM came while the gateway may have requests in flight")
	}
	if p := h.last(); len(p) != 2 || !slices.ContainsFunc(p, func(p Peer) bool { return p.PID == pids[0] && p.Draining }) {
		t.Fatalf("the gateway was told %+v, want worker %d draining", p, pids[0])
	}
	h.workers.fleet.idled(pids[0], pids[1], h.workers.now) // another process: a late message about a slot
	if h.workers.signalled(pids[0], syscall.SIGTERM) {
		t.Fatal("TERM came for another worker's idleness")
	}
	h.workers.fleet.idled(pids[0], pids[0], h.workers.now) // the theatre's slots are its pids
	if !h.workers.signalled(pids[0], syscall.SIGTERM) {
		t.Fatal("no TERM although nothing is in flight")
	}
}

func TestDrainThatNeverEndsIsCutOff(t *testing.T) {
	h := newHouse(t, gated(1, 2))
	pids, _, _ := h.workers.serving()
	h.workers.act(signals.Decrease)
	h.workers.after(29 * time.Second)
	if !h.workers.signalled(pids[0], syscall.SIGTERM) || h.workers.alive[pids[0]].killed {
		t.Fatal("want TERM, and no KILL, shortly before graceful_timeout")
	}
	h.workers.after(time.Second)
	if !h.workers.alive[pids[0]].killed {
		t.Fatal("not killed after graceful_timeout")
	}
}

func TestDyingGatewayHoldsNoWorker(t *testing.T) {
	h := newHouse(t, gated(1, 2))
	pids, _, _ := h.workers.serving()
	h.front.fleet.stop(h.front.now)
	h.front.leaveAll()
	h.workers.act(signals.Stop)
	if !h.workers.signalled(pids[0], syscall.SIGTERM) {
		t.Fatal("TERM waits for a gateway that is gone")
	}
}

func TestHungWorkerFinishesItsOtherRequests(t *testing.T) {
	h := newHouse(t, gated(1, 1))
	pid := h.workers.lastPID
	h.workers.now += time.Hour
	now := h.workers.now
	h.workers.alive[pid].vitals = vitals{
		beats: true, heartbeat: now, inFlight: 2, requestStart: now - 31*time.Second,
		claims: []time.Duration{now - 31*time.Second, now - time.Second},
	}
	h.rest()
	if h.workers.signalled(pid, syscall.SIGABRT) {
		t.Fatal("aborted with another request in flight")
	}
	if h.workers.lastPID == pid {
		t.Fatal("no other worker was started meanwhile")
	}
	if p := h.last(); len(p) != 1 || !p[0].Draining {
		t.Fatalf("the gateway was told %+v, want it draining", p)
	}
	h.workers.alive[pid].vitals.claims = []time.Duration{now - 31*time.Second}
	h.workers.after(50 * time.Millisecond)
	if !h.workers.signalled(pid, syscall.SIGABRT) {
		t.Fatal("not aborted once only the hung request was left")
	}
}

func TestGatewayAndWorkersAreExchangedTogether(t *testing.T) {
	h := newHouse(t, gated(1, 1))
	oldWorker, oldGateway := h.workers.lastPID, h.front.lastPID
	h.workers.fleet.reload(gated(2, 1), false, "", h.workers.now)
	h.front.fleet.reload(generation(2, 1), true, "", h.front.now)
	h.rest()
	h.front.readyAll()
	h.rest()
	if h.front.signalled(oldGateway, syscall.SIGTERM) {
		t.Fatal("the old gateway was told to go before the new workers were ready")
	}
	h.workers.readyAll()
	h.rest()
	if !h.front.signalled(oldGateway, syscall.SIGTERM) {
		t.Fatal("the old gateway stays")
	}
	if h.workers.signalled(oldWorker, syscall.SIGTERM) {
		t.Fatal("the old worker was told to go while the old gateway uses it")
	}
	if p := h.last(); len(p) != 2 || p[0].Draining || p[1].Draining {
		t.Fatalf("published %+v, want both workers serving", p)
	}
	h.front.exit(oldGateway, 0)
	h.rest()
	if !h.workers.signalled(oldWorker, syscall.SIGTERM) {
		t.Fatal("the old worker stays although its gateway is gone")
	}
}

func TestReloadOfBothFailsAsOne(t *testing.T) {
	for name, fail := range map[string]func(*house){
		"worker":  func(h *house) { h.workers.exit(h.workers.lastPID, 1<<8) },
		"gateway": func(h *house) { h.front.exit(h.front.lastPID, 1<<8) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, gated(1, 1))
			h.workers.fleet.reload(gated(2, 1), false, "", h.workers.now)
			h.front.fleet.reload(generation(2, 1), true, "", h.front.now)
			h.rest()
			fail(h)
			h.rest()
			if h.workers.fleet.candidate != nil || h.front.fleet.candidate != nil {
				t.Fatal("half of the reload goes on")
			}
			_, _, workers := h.workers.serving()
			_, _, fronts := h.front.serving()
			if !slices.Equal(workers, []int{1}) || !slices.Equal(fronts, []int{1}) {
				t.Fatalf("generations %v and %v serve", workers, fronts)
			}
		})
	}
}

func TestWorkerIsReadyOnceProbedAndSaid(t *testing.T) {
	for _, order := range []string{"probe first", "READY=1 first"} {
		t.Run(order, func(t *testing.T) {
			th := newTheatre(t, gated(1, 1))
			pid := th.lastPID
			th.fleet.find(pid, 0).reach.probed = true
			probe := func() {
				th.fleet.probed(probed{pid: pid, endpoint: Endpoint{"unix", "/s"}}, th.now)
				th.pass()
			}
			say := func() { th.say(pid, "READY", "1") }
			steps := []func(){probe, say}
			if order == "READY=1 first" {
				slices.Reverse(steps)
			}
			steps[0]()
			if ready, _, _ := th.serving(); len(ready) != 0 {
				t.Fatal("ready too early")
			}
			steps[1]()
			if p := th.fleet.peers(); len(p) != 1 || p[0].Address != "/s" {
				t.Fatalf("peers %+v", p)
			}
		})
	}
}

func TestProbeThatFailsChangesNothing(t *testing.T) {
	th := newTheatre(t, gated(1, 1))
	th.fleet.probed(probed{pid: th.lastPID, err: errors.New("given up")}, th.now)
	if w := th.fleet.find(th.lastPID, 0); w.stage != booting {
		t.Fatalf("worker is %s, %q", w.stage, w.leaving.because)
	}
}

func TestUnreadyWorkerSaysWhatItWasGiven(t *testing.T) {
	th := newTheatre(t, gated(1, 1))
	w := th.fleet.find(th.lastPID, 0)
	w.reach.unready = "it listens nowhere"
	th.after(2 * time.Minute)
	if !strings.Contains(w.leaving.because.String(), "boot_timeout") || !strings.Contains(w.leaving.because.String(), "it listens nowhere") {
		t.Fatalf("reason %q", w.leaving.because)
	}
}

func TestGatewayThatCrashesInARowIsDelayedAtLast(t *testing.T) {
	var r restart
	for i := range 5 {
		if d := r.nextDelay(time.Second, 999*time.Millisecond, true, 0.5); d != 0 {
			t.Fatalf("crash %d: waits %s", i+1, d)
		}
	}
	if d := r.nextDelay(time.Second, 999*time.Millisecond, true, 0.5); d == 0 {
		t.Fatal("the sixth crash in a row is followed by a start at once")
	}
}

package arbiter

import (
	"syscall"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/internal/wire"
)

// reforks keeps a record of what a generation is told.
type reforks struct {
	wanted   bool
	promoted []int // ids
	lost     []int
}

func (r *reforks) Wanted() bool           { return r.wanted }
func (r *reforks) Promote(p Place)        { r.promoted = append(r.promoted, p.ID) }
func (r *reforks) Lost(p Place, _ string) { r.lost = append(r.lost, p.ID) }

func reforking(t *testing.T, workers int) (*theatre, *reforks) {
	r := &reforks{wanted: true}
	gen := generation(1, workers)
	gen.Refork = r
	th := newTheatre(t, gen)
	th.readyAll()
	return th, r
}

func (th *theatre) pidOf(id int) int {
	for _, s := range th.fleet.positions {
		if s.id == id {
			return s.current.pid
		}
	}
	return 0
}

// Whoever gets there first is promoted, and one at a time (E7).
func TestOneWorkerIsPromotedWhicheverItIs(t *testing.T) {
	th, r := reforking(t, 3)
	th.say(th.pidOf(3), wire.NotifyRetire, byRefork.String())
	th.say(th.pidOf(2), wire.NotifyRetire, byRefork.String())
	th.readyAll() // the successor
	if len(r.promoted) != 1 || r.promoted[0] != 3 {
		t.Fatalf("promoted %v, want worker 3 alone", r.promoted)
	}
	if w := th.fleet.positions[1].current; w.leaving.wanted.given() {
		t.Errorf("worker 2 goes as well: %q", w.leaving.wanted)
	}
}

// A worker that leaves for another reason leaves no copy (E7).
func TestOtherEndsPromoteNobody(t *testing.T) {
	for name, end := range map[string]func(*theatre){
		"restart":     func(th *theatre) { _ = th.fleet.renewOne(1) },
		"over memory": func(th *theatre) { th.fleet.positions[0].current.retireFor(byMaxMemory, false) },
		"both": func(th *theatre) {
			th.fleet.positions[0].current.retireFor(byMaxMemory, false)
			th.say(th.pidOf(1), wire.NotifyRetire, byRefork.String())
		},
		"stop":        func(th *theatre) { th.fleet.stop(th.now) },
		"scaled down": func(th *theatre) { th.fleet.scale(1, th.now) },
		"not wanted": func(th *theatre) {
			th.fleet.current.Refork.(*reforks).wanted = false
			th.say(th.pidOf(1), wire.NotifyRetire, byRefork.String())
		},
		"max_requests": func(th *theatre) { th.say(th.pidOf(1), wire.NotifyRetire, "max_requests") },
	} {
		t.Run(name, func(t *testing.T) {
			th, r := reforking(t, 2)
			end(th)
			th.pass()
			th.readyAll()
			if len(r.promoted) != 0 {
				t.Errorf("promoted %v", r.promoted)
			}
		})
	}
}

// The generation hears of workers that hang or die young, and of no others (E5).
func TestLossesSpeakAgainstTheOrigin(t *testing.T) {
	th, r := reforking(t, 2)
	th.exit(th.pidOf(1), syscall.WaitStatus(syscall.SIGSEGV))
	if len(r.lost) != 1 || r.lost[0] != 1 {
		t.Fatalf("lost %v, want worker 1, which died young", r.lost)
	}
	th.after(time.Second)
	th.readyAll()
	th.after(2 * young)
	th.exit(th.pidOf(2), syscall.WaitStatus(syscall.SIGSEGV))
	if len(r.lost) != 1 {
		t.Fatalf("lost %v: worker 2 was old", r.lost)
	}
	th.after(time.Second)
	th.readyAll()
	th.after(2 * young)
	pid := th.pidOf(1)
	th.alive[pid].vitals = vitals{requestStart: th.now - time.Minute, requestID: 7, inFlight: 1}
	th.after(time.Second)
	if len(r.lost) != 2 {
		t.Fatalf("lost %v, want worker 1 again, which hangs", r.lost)
	}
}

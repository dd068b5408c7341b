package arbiter

import (
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/internal/wire"
)

func TestFirstBootGivesUpAfterThreeTries(t *testing.T) {
	th := newTheatre(t, generation(1, 2))
	for range 2 {
		th.exit(th.lastPID, 1<<8)
		th.after(time.Minute)
	}
	if th.fleet.history.gaveUp != nil {
		t.Fatal("gave up after two tries")
	}
	th.exit(th.lastPID, 1<<8)
	if th.fleet.history.gaveUp == nil || th.fleet.history.gaveUp.AppMissing || th.fleet.history.gaveUp.Tries != 3 {
		t.Fatalf("gave up: %+v, want after 3 tries", th.fleet.history.gaveUp)
	}
}

func TestMissingAppGivesUpAtOnce(t *testing.T) {
	th := newTheatre(t, generation(1, 2))
	th.say(101, wire.NotifyError, "app: no module named main")
	th.exit(101, 4<<8)
	if th.fleet.history.gaveUp == nil || !th.fleet.history.gaveUp.AppMissing {
		t.Fatalf("gave up: %+v, want an app that is missing", th.fleet.history.gaveUp)
	}
}

// deprived is the output of a process that got no thread.
type deprived struct{}

func (deprived) Tail() []string { return nil }

func (deprived) Done() <-chan struct{} { return nil }

func (deprived) Limit() string { return "a limit" }

func (deprived) Close() error { return nil }

// At a limit of processes each position tries again after half a second at most, however
// long that lasts, and is not given up; the log names the limit now and then.
func TestLimitOfProcessesIsNoFailure(t *testing.T) {
	for name, failing := range map[string]error{"not forked": syscall.EAGAIN, "without threads": nil} {
		t.Run(name, func(t *testing.T) {
			th := newTheatre(t, generation(1, 1))
			var said strings.Builder
			th.fleet.log = slog.New(slog.NewTextHandler(&said, nil))
			tries := 0
			for until := th.now + 20*time.Second; th.now < until; th.after(limitPause * 5 / 4) {
				for pid := range th.alive {
					if w := th.fleet.find(pid, 0); w != nil {
						w.output = deprived{}
					}
					tries++
					th.failing = failing
					th.exit(pid, 2<<8)
				}
			}
			if failing != nil {
				th.failing = nil
				th.after(limitPause * 5 / 4)
				tries = 40
			}
			if len(th.alive)+tries < 40 || th.fleet.history.gaveUp != nil {
				t.Errorf("%d tries in 20 s, %d processes, given up: %v", tries, len(th.alive), th.fleet.history.gaveUp)
			}
			if len(th.alive) != 1 && failing != nil {
				t.Error("no process although there is room")
			}
			if n := strings.Count(said.String(), "level=ERROR"); n < 1 || n > 4 {
				t.Errorf("%d lines are errors:\n%s", n, said.String())
			}
		})
	}
}

func TestOnceReadyItNeverGivesUp(t *testing.T) {
	th := newTheatre(t, generation(1, 1))
	th.readyAll()
	for range 20 {
		th.exit(th.lastPID, 1<<8)
		th.after(time.Minute)
	}
	if th.fleet.history.gaveUp != nil || len(th.alive) != 1 {
		t.Fatalf("gave up: %v, %d processes; want to go on", th.fleet.history.gaveUp, len(th.alive))
	}
}

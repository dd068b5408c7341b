package proc

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/internal/scoreboard"
	"golang.org/x/sys/unix"
)

// pipe returns raw descriptors that are closed at the end of the test.
func pipe(t *testing.T) (r, w int) {
	t.Helper()
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(ends[0]) })
	return ends[0], ends[1]
}

func TestLifeline(t *testing.T) {
	r, w := pipe(t)
	taken, err := unix.FcntlInt(uintptr(r), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		t.Fatal(err)
	}
	gone := Lifeline(taken)
	select {
	case <-gone:
		t.Fatal("the arbiter lives")
	case <-time.After(50 * time.Millisecond):
	}
	if nonBlocking(t, r) {
		t.Error("the flags of a description that all workers share were changed")
	}
	unix.Close(w)
	select {
	case <-gone:
	case <-time.After(bound):
		t.Fatal("the end went unnoticed")
	}
}

// enter puts a process into the register, as the arbiter does.
func enter(t *testing.T, children *scoreboard.Register, slot, pid int) {
	t.Helper()
	ticks, err := StartTicks(pid)
	if err != nil {
		t.Fatal(err)
	}
	children.Enter(scoreboard.Child{Slot: slot, PID: pid, StartTicks: ticks})
}

func TestGuardEndsWorkersWhenTheArbiterIsGone(t *testing.T) {
	children, err := scoreboard.CreateRegister()
	if err != nil {
		t.Fatal(err)
	}
	defer children.Close()
	counts, err := scoreboard.Create()
	if err != nil {
		t.Fatal(err)
	}
	defer counts.Close()
	r, w := pipe(t)
	startGuard := func(graceful string) *child {
		return start(t, "guard", func(s *Spec) {
			s.Files = append(s.Files, children.FD(), r, counts.FD())
			s.Env = append(s.Env, "X="+graceful)
		}).ready()
	}
	willing, stopped, stubborn := start(t, "wait", nil).ready(), start(t, "wait", nil).ready(), start(t, "stubborn", nil).ready()
	family, pid := startFamily(t)
	stranger := start(t, "wait", nil).ready()
	for i, c := range []*child{willing, stopped, stubborn, family, stranger} {
		enter(t, children, i, c.pid)
	}
	ticks, err := StartTicks(stranger.pid)
	if err != nil {
		t.Fatal(err)
	}
	children.Enter(scoreboard.Child{Slot: 4, PID: stranger.pid, StartTicks: ticks + 1}) // its pid was a worker's before
	if err := Signal(stopped.pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	g := startGuard("300ms")
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if err := Signal(g.pid, sig); err != nil { // what a terminal or systemd sends to all
			t.Fatal(err)
		}
	}
	began := time.Now()
	unix.Close(w)
	for name, want := range map[*child]syscall.Signal{willing: syscall.SIGTERM, stopped: syscall.SIGTERM, stubborn: syscall.SIGKILL, family: syscall.SIGTERM} {
		if e := name.wait(); e.Signal() != want {
			t.Errorf("worker %d %v, want %v", name.pid, e, want)
		}
	}
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("a worker was killed after %v", took)
	}
	if e := g.wait(); e.Code() != 0 {
		t.Errorf("the guard %v", e)
	}
	if state := stateOf(pid); state != "" && state != "Z" {
		t.Errorf("a worker's child lives: %s", state)
	}
	if !GroupAlive(stranger.pid) || stateOf(stranger.pid) == "Z" {
		t.Error("a process that is not a worker was ended")
	}
}

// stateOf is the letter of /proc/PID/stat, empty when there is no process.
func stateOf(pid int) string {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return rest[:1]
}

//go:build !portable

package proc

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// pids are the processes of exits.
func pids(exits []Exit) map[int]Exit {
	byPID := map[int]Exit{}
	for _, e := range exits {
		byPID[e.PID] = e
	}
	return byPID
}

func TestReap(t *testing.T) {
	for _, all := range []bool{false, true} {
		t.Run(fmt.Sprintf("all=%v", all), func(t *testing.T) {
			foreign := start(t, "exit", nil)
			foreign.zombie() // it is the first in the kernel's queue
			r := NewReaper(all, nil)
			exiting, killed, living := start(t, "exit", nil), start(t, "wait", nil).ready(), start(t, "wait", nil).ready()
			for _, c := range []*child{exiting, killed, living} {
				r.Own(c.pid)
			}
			if err := Signal(killed.pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			exiting.zombie()
			killed.zombie()
			var seen []int
			got := pids(r.Reap(func(pid int) {
				seen = append(seen, pid)
				if !GroupAlive(pid) {
					t.Errorf("%d is not a zombie any more", pid)
				}
			}))
			if len(got) != 2 || got[exiting.pid].Code() != 3 || got[killed.pid].Signal() != syscall.SIGKILL {
				t.Errorf("got %v", got)
			}
			if got[exiting.pid].MaxRSS < 1<<20 {
				t.Errorf("it had %d bytes at most", got[exiting.pid].MaxRSS)
			}
			if len(seen) != 2 {
				t.Errorf("before was called for %v", seen)
			}
			if again := r.Reap(nil); len(again) != 0 {
				t.Errorf("the second time: %v", again)
			}
			if GroupAlive(foreign.pid) == all {
				t.Errorf("the foreign one is still a zombie: %v", !all)
			}
		})
	}
}

func TestReapReportsWhatOthersWaitedFor(t *testing.T) {
	c := start(t, "exit", nil)
	r := NewReaper(false, nil)
	r.Own(c.pid)
	c.wait()
	got := r.Reap(nil)
	if len(got) != 1 || got[0].PID != c.pid || !got[0].Lost || got[0].Code() != -1 || got[0].Signal() != -1 {
		t.Fatalf("got %v", got)
	}
	if again := r.Reap(nil); len(again) != 0 {
		t.Errorf("the second time: %v", again)
	}
}

func TestDisownedIsNotReported(t *testing.T) {
	c := start(t, "exit", nil)
	r := NewReaper(false, nil)
	r.Own(c.pid)
	r.Disown(c.pid)
	c.zombie()
	if got := r.Reap(nil); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestManyAtOnce(t *testing.T) {
	r := NewReaper(true, nil)
	var all []*child
	for range 20 {
		c := start(t, "exit", nil)
		r.Own(c.pid)
		all = append(all, c)
	}
	for _, c := range all {
		c.zombie()
	}
	if got := pids(r.Reap(nil)); len(got) != len(all) {
		t.Errorf("%d of %d were reaped", len(got), len(all))
	}
}

func TestExitInWords(t *testing.T) {
	for status, want := range map[syscall.WaitStatus]string{
		0:         "exited with code 0",
		3 << 8:    "exited with code 3",
		9:         "killed by SIGKILL (killed)",
		11 | 0x80: "killed by SIGSEGV (segmentation fault), core dumped",
		40:        "killed by signal 40",
	} {
		if got := (Exit{Status: status}).String(); got != want {
			t.Errorf("%x: got %q, want %q", int(status), got, want)
		}
	}
	if got := (Exit{Lost: true}).String(); !strings.Contains(got, "unknown") {
		t.Errorf("got %q", got)
	}
}

func TestStartTicksTellProcessesApart(t *testing.T) {
	c := start(t, "wait", nil).ready()
	child, err := StartTicks(c.pid)
	if err != nil {
		t.Fatal(err)
	}
	self, err := StartTicks(os.Getpid())
	if err != nil || self == 0 || self > child {
		t.Errorf("this process started at %d, its child at %d, %v", self, child, err)
	}
	if _, err := StartTicks(1 << 22); err == nil {
		t.Error("a process that is none has started")
	}
}

func TestGroupUseCountsTheWholeGroup(t *testing.T) {
	alone := start(t, "wait", nil).ready()
	family, _ := startFamily(t)
	use, err := GroupUse([]int{alone.pid, family.pid, 1 << 22})
	if err != nil {
		t.Fatal(err)
	}
	if use[alone.pid].RSS < 1<<20 || use[family.pid].RSS < use[alone.pid].RSS*3/2 {
		t.Errorf("one process has %d bytes, a group of two %d", use[alone.pid].RSS, use[family.pid].RSS)
	}
	if n, is := use[1<<22]; n != (Use{}) || !is {
		t.Errorf("a group that is none uses %+v", n)
	}
}

// Whoever runs a helper learns how it ended, whatever the reaper does meanwhile.
func TestHelpersAreLeftToThoseWhoWait(t *testing.T) {
	poke := make(chan struct{}, 1)
	helpers := NewHelpers(func() {
		select {
		case poke <- struct{}{}:
		default:
		}
	})
	r := NewReaper(true, helpers)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				r.Reap(nil)
			}
		}
	}()
	for range 50 {
		out, err := helpers.Output(exec.Command("/bin/sh", "-c", "echo out; exit 3"))
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 3 || string(out) != "out\n" {
			t.Fatalf("%q, %v", out, err)
		}
		<-poke
	}
	close(stop)
	<-stopped
}

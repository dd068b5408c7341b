//go:build linux

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A log whose reader is gone, or does not read, keeps nobody from serving,
// reloading or stopping.
func TestLogThatNobodyReads(t *testing.T) {
	t.Parallel()
	for _, u := range []subject{{"wsgi", "sync", 1}, {"asgi", "event-loop", 10}, {"command", "threaded", 10}, {"handler", "event-loop", 10}} {
		for _, fault := range []string{"closed", "blocked"} {
			t.Run(u.String()+" "+fault, func(t *testing.T) {
				t.Parallel()
				logIsLost(t, u, fault == "closed")
			})
		}
	}
}

func logIsLost(t *testing.T, u subject, closed bool) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	socket := filepath.Join(t.TempDir(), "s")
	o := options{}
	args := u.command(t, &o, "--access-logfile", "-", "--graceful-timeout", "5", "-b", "unix:"+socket)
	cmd := exec.Command(binary(), args...)
	cmd.Env = append(cleanEnv(), o.env...)
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill() // it has ended, unless the test failed
	w.Close()
	serves := func() bool { status, _, err := tryGet(t.Context(), socket, "/"); return err == nil && status == 200 }
	eventually(t, "it serves", serves)
	if closed {
		r.Close()
	}
	for i := range 1200 { // far more lines than a pipe holds
		if !serves() {
			t.Fatalf("request %d failed", i)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	pids := childrenOf(cmd.Process.Pid)
	eventually(t, "a reload has replaced a worker", func() bool {
		gone := 0
		for _, pid := range pids {
			if !alive(pid) {
				gone++
			}
		}
		return gone > 0 && serves()
	})
	pids = childrenOf(cmd.Process.Pid)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(bound):
		t.Error("it does not end")
	}
	goneWithin(t, time.Second, pids...)
}

// freeFD is the lowest descriptor that a process has not open: the next that it
// would get. RLIMIT_NOFILE bounds these numbers, not how many there are.
func freeFD(pid int) int {
	for fd := 0; ; fd++ {
		if _, err := os.Lstat(fmt.Sprintf("/proc/%d/fd/%d", pid, fd)); err != nil {
			return fd
		}
	}
}

// An arbiter out of descriptors keeps what serves, says what to do, and goes on
// by itself once it may have more.
func TestArbiterOutOfDescriptorsGoesOn(t *testing.T) {
	t.Parallel()
	for _, u := range []subject{{"wsgi", "sync", 1}, {"command", "threaded", 2}, {"handler", "event-loop", 2}} {
		t.Run(u.String(), func(t *testing.T) {
			t.Parallel()
			s := u.start(t, options{}, "-w", "2")
			pid := s.cmd.Process.Pid
			var before unix.Rlimit
			if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &before); err != nil {
				t.Fatal(err)
			}
			few := unix.Rlimit{Cur: uint64(freeFD(pid)), Max: before.Max}
			if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &few, nil); err != nil {
				t.Fatal(err)
			}
			mark := s.log.mark()
			kill(t, anyOf(s.pids()), syscall.SIGKILL)
			s.expectFrom(mark, `ERROR.* cannot start worker.*too many open files.*ulimit -n`)
			for range 10 {
				if status, _ := get(t, s.addr(), "/"); status != 200 {
					t.Fatalf("status %d from the worker that is left", status)
				}
			}
			if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &before, nil); err != nil {
				t.Fatal(err)
			}
			s.expectFrom(mark, `worker ready`)
			n := 0
			for _, line := range s.log.lines(mark) {
				n += strings.Count(line, "cannot start worker")
			}
			if n > 12 {
				t.Errorf("%d lines say the same", n)
			}
			s.stop()
		})
	}
}

// A gateway that is killed is back within a second in every class, and no
// request but those it had is lost.
func TestKilledGatewayComesBackInEveryClass(t *testing.T) {
	t.Parallel()
	forEachSubject(t, func(t *testing.T, u subject) {
		if !u.behindGateway() {
			return
		}
		s := u.start(t, options{})
		for range 3 {
			mark, old := s.log.mark(), s.process("gateway")
			kill(t, old, syscall.SIGKILL)
			w := startWatch()
			if status, body := get(t, s.addr(), "/"); status != 200 {
				t.Errorf("%d %q", status, body)
			}
			w.expectAtMost(t, time.Second, "a request while the gateway comes back")
			s.expectFrom(mark, fmt.Sprintf(`ERROR.* gateway lost .* pid=%d .*code=GON041`, old))
		}
		s.stop()
	})
}

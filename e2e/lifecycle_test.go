//go:build linux

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// demo starts the embedded demo with its faults on.
func demo(t *testing.T, args ...string) *server {
	t.Helper()
	return startWith(t, options{env: []string{"GONICORN_DEMO_FAULTS=1"}},
		append([]string{"demo", "-b", "127.0.0.1:0"}, args...)...)
}

var pidOf = regexp.MustCompile(`pid (\d+)`)

func pidIn(t *testing.T, body string) int {
	t.Helper()
	m := pidOf.FindStringSubmatch(body)
	if m == nil {
		t.Fatalf("no pid in %q", body)
	}
	pid, _ := strconv.Atoi(m[1])
	return pid
}

func TestDemoAnswersFromItsWorkers(t *testing.T) {
	t.Parallel()
	s := demo(t, "-w", "3", "-k", "event-loop").ready()
	if n := len(s.pids()); n != 3 {
		t.Fatalf("%d workers, want 3", n)
	}
	_, body := get(t, s.addr(), "/")
	if pid := pidIn(t, body); s.pids()[pid] == 0 {
		t.Fatalf("%d answers, which is none of the workers %v", pid, s.pids())
	}
	s.stop()
}

// load makes requests until it is stopped and counts the failed ones.
type load struct {
	done   atomic.Int64
	failed atomic.Int64
	first  atomic.Value // the first error, as a string
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// breathe is a client's pause before its next request. Without any, which is the
// long form, two clients take all the CPU there is from the tests beside them.
func breathe() {
	if !soaks() {
		time.Sleep(3 * time.Millisecond)
	}
}

// startLoad keeps n clients busy, each with a new connection a request.
func startLoad(t *testing.T, addr string, n int) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{cancel: cancel}
	for range n {
		l.wg.Go(func() {
			for ctx.Err() == nil {
				breathe()
				status, _, err := tryGet(context.WithoutCancel(ctx), addr, "/")
				l.done.Add(1)
				if err != nil || status != 200 {
					l.failed.Add(1)
					l.first.CompareAndSwap(nil, fmt.Sprint(status, err))
				}
			}
		})
	}
	t.Cleanup(l.stop)
	return l
}

func (l *load) stop() { l.cancel(); l.wg.Wait() }

// served waits until n more requests have been answered.
func (l *load) served(t *testing.T, n int64) {
	t.Helper()
	want := l.done.Load() + n
	eventually(t, "requests are served", func() bool { return l.done.Load() >= want })
}

func (l *load) expectNoFailure(t *testing.T) {
	t.Helper()
	l.stop()
	if n := l.failed.Load(); n > 0 || l.done.Load() == 0 {
		t.Fatalf("%d of %d requests failed; the first: %v", n, l.done.Load(), l.first.Load())
	}
}

func TestKilledWorkerIsReplaced(t *testing.T) {
	t.Parallel()
	s := demo(t, "-w", "2").ready()
	mark := s.log.mark()
	for pid, id := range s.pids() {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		s.expectFrom(mark, fmt.Sprintf(`worker lost worker=%d pid=%d exit="killed by SIGKILL`, id, pid))
		s.expectFrom(mark, fmt.Sprintf(`worker ready worker=%d`, id))
	}
	if strings.Contains(s.log.text(), "out of memory") {
		t.Error("a plain SIGKILL was called out of memory")
	}
	get(t, s.addr(), "/")
	s.stop()
}

func TestCrashLogsTheExitInWords(t *testing.T) {
	t.Parallel()
	s := demo(t, "-w", "1").ready()
	_, _, _ = tryGet(t.Context(), s.addr(), "/crash")
	s.expect(`worker lost .*exit="exited with code \d+`)
	s.stop()
}

func TestHungHandlerShowsItsStacks(t *testing.T) {
	t.Parallel()
	for _, class := range []string{"sync", "threaded"} {
		t.Run(class, func(t *testing.T) {
			s := demo(t, "-w", "2", "-k", class, "--request-timeout", "1").ready()
			go tryGet(context.Background(), s.addr(), "/hang") // it is killed
			s.expect(`worker hangs.*has been running for`)
			s.expect(`goroutine \d+ \[`)
			s.expect(`GET /hang.*for `)
			m := s.expect(`worker gone worker=(\d+) .*`)
			s.expectFrom(0, `worker ready worker=`+m[1])
			get(t, s.addr(), "/")
			s.stop()
		})
	}
}

func TestStoppedWorkerIsReplaced(t *testing.T) {
	t.Parallel()
	s := demo(t, "-w", "2", "--timeout", "1").ready()
	for pid := range s.pids() {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		s.expect(fmt.Sprintf(`worker hangs.* pid=%d reason="the process is stopped by a signal`, pid))
		s.expect(fmt.Sprintf(`worker gone .*pid=%d`, pid))
		break
	}
	s.stop()
}

func TestBootTimeout(t *testing.T) {
	t.Parallel()
	s := start(t, as("hangboot", "--notify", "--transport", "none", "--boot-timeout", "1s")...)
	s.expect(`worker hangs.*boot_timeout`)
	if code := s.wait(); code != 3 {
		t.Fatalf("exit code %d, want 3", code)
	}
}

func TestMaxRequestsLosesNothing(t *testing.T) {
	t.Parallel()
	s := demo(t, "-w", "2", "--max-requests", "20", "--max-requests-jitter", "5").ready()
	l := startLoad(t, s.addr(), 4)
	for range 4 {
		s.expectFrom(s.log.mark(), `told to finish .*reason=max_requests`)
	}
	l.expectNoFailure(t)
	s.stop()
	// The successor is ready before the worker is told to finish.
	ready := 0
	for _, line := range s.log.lines(0) {
		switch {
		case strings.Contains(line, "worker ready"):
			ready++
		case strings.Contains(line, "reason=max_requests") && strings.Contains(line, "told to finish"):
			if ready--; ready < 2 {
				t.Fatalf("capacity dipped: %q came with %d workers ready", line, ready)
			}
		}
	}
}

func TestMaxMemory(t *testing.T) {
	t.Parallel()
	s := demo(t, "-w", "1", "--max-memory", "200MiB").ready()
	get(t, s.addr(), "/leak?mb=300")
	s.expect(`over max_memory`)
	s.expect(`told to finish .*reason=max_memory`)
	s.stop()
}

func TestMaxLifetime(t *testing.T) {
	t.Parallel()
	s := demo(t, "-w", "1", "--max-lifetime", "500ms").ready()
	l := startLoad(t, s.addr(), 2)
	for range 3 {
		s.expectFrom(s.log.mark(), `told to finish .*reason=max_lifetime`)
	}
	l.expectNoFailure(t)
	s.stop()
}

func TestGracefulStopFinishesRequests(t *testing.T) {
	t.Parallel()
	s := demo(t, "-w", "1").ready()
	addr := s.addr()
	answered := make(chan error, 1)
	go func() {
		status, _, err := tryGet(context.Background(), addr, "/slow?ms=1000")
		if err == nil && status != 200 {
			err = fmt.Errorf("status %d", status)
		}
		answered <- err
	}()
	s.expect(`slow began`)
	s.stop()
	if err := <-answered; err != nil {
		t.Fatalf("the request in flight failed: %v", err)
	}
}

func TestGracefulTimeoutKillsTheGroup(t *testing.T) {
	t.Parallel()
	s := start(t, as("stubborn", "-w", "2", "--transport", "none", "--graceful-timeout", "300ms")...).ready()
	pids := s.pids()
	s.stop()
	for pid := range pids {
		if alive(pid) {
			t.Errorf("worker %d outlives gonicorn", pid)
		}
	}
}

func TestNothingIsOrphaned(t *testing.T) {
	t.Parallel()
	s := start(t, as("family", "-w", "2", "--transport", "none", "--graceful-timeout", "2")...).ready()
	var children []int
	for id := range s.pids() {
		m := s.expect(fmt.Sprintf(`child pid=(\d+) worker=\d+ pid=%d`, id))
		pid, _ := strconv.Atoi(m[1])
		children = append(children, pid)
	}
	s.stop()
	for _, pid := range children {
		if alive(pid) {
			t.Errorf("child %d of a worker outlives gonicorn", pid)
		}
	}
}

func TestArbitersDeathEndsTheWorkers(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"command":  as("consumer", "-w", "2", "--transport", "none", "--graceful-timeout", "2"),
		"stubborn": as("stubborn", "-w", "2", "--transport", "none", "--graceful-timeout", "1"),
		"handler":  {"demo", "-w", "2", "-b", "127.0.0.1:0", "--graceful-timeout", "2"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, args...).ready()
			pids := append(s.children(), s.cmd.Process.Pid)
			if err := s.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "nothing of gonicorn is left", func() bool {
				for _, pid := range pids {
					if alive(pid) {
						return false
					}
				}
				return true
			})
		})
	}
}

func TestKeepAliveSurvivesOthersRestarts(t *testing.T) {
	t.Parallel()
	s := demo(t, "-w", "2", "-k", "event-loop", "--keep-alive", "60").ready()
	conn, err := net.Dial("tcp", s.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	ask := func() int {
		t.Helper()
		fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		return pidIn(t, string(body))
	}
	mine := ask()
	for pid := range s.pids() {
		if pid != mine {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			s.expect(fmt.Sprintf(`worker lost .*pid=%d`, pid))
		}
	}
	if again := ask(); again != mine {
		t.Fatalf("the connection moved from %d to %d", mine, again)
	}
	s.stop()
}

// A namespace of its own makes gonicorn PID 1, whose children are all that
// nobody waits for.
func TestReapsAsPID1(t *testing.T) {
	t.Parallel()
	needsLinux(t, "PID namespaces, and children that others have left")
	if os.Getuid() != 0 {
		t.Skip("needs root for a PID namespace")
	}
	script := filepath.Join(t.TempDir(), "orphans.sh")
	// Every worker leaves children of its own behind, in sessions of their own.
	text := "#!/bin/sh\nfor i in 1 2 3 4 5; do (setsid sleep 0.05 &) ; done\necho started\nexec sleep 1000\n"
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	s := startWith(t, options{attr: &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}},
		"-w", "2", "--transport", "none", "--", script)
	s.ready()
	eventually(t, "no zombie is left", func() bool {
		for _, pid := range s.children() {
			if zombie(pid) {
				return false
			}
		}
		return len(s.children()) == 3 // two workers and the guard
	})
	s.stop()
}

func TestTimeoutZeroIsOff(t *testing.T) {
	t.Parallel()
	s := demo(t, "-w", "1", "-k", "sync", "--timeout", "0").ready()
	if status, _ := get(t, s.addr(), "/slow?ms=1500"); status != 200 {
		t.Fatalf("status %d, want 200", status)
	}
	if strings.Contains(s.log.text(), "hangs") {
		t.Fatal("a worker was called hung with timeout 0")
	}
	s.stop()
}

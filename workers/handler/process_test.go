//go:build linux

package handler

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/internal/scoreboard"
	"github.com/gonicorn/gonicorn/internal/wire"
	"github.com/prometheus/procfs"
)

func settings(class string) Settings {
	return Settings{
		Class: class, Threads: 4, WorkerConnections: 1000, Keepalive: time.Minute, Timeout: 40 * time.Millisecond,
		GracefulTimeout: bound,
	}
}

func TestWorkerKnowsItsPlace(t *testing.T) {
	c := spawn(t, settings("sync"), 2).ready()
	c.get("/")
	want := fmt.Sprintf("true {ID:7 PID:%d Generation:2 Requests:2}", c.pid)
	if got := c.get("/info"); got != want {
		t.Errorf("a handler learns %q, want %q", got, want)
	}
	env := c.get("/env")
	for _, name := range []string{
		wire.EnvRole, wire.EnvWorker, wire.EnvPage, wire.EnvLifeline, wire.EnvNotifySocket,
		wire.EnvListenFDs, wire.EnvListenFDNames,
	} {
		if strings.Contains("\n"+env, "\n"+name+"=") {
			t.Errorf("the app sees %s", name)
		}
	}
	if !strings.Contains(env, wire.EnvWorkerID+"=7") {
		t.Errorf("the app does not see %s", wire.EnvWorkerID)
	}
}

func TestHeartbeatAndStates(t *testing.T) {
	c := spawn(t, settings("event-loop"), 1).ready()
	if c.slot.Beats.Load() != 1 || c.slot.Heartbeat.Load() == 0 {
		t.Fatal("ready without a heartbeat")
	}
	first := c.slot.Heartbeat.Load()
	eventually(t, "the heart beats", func() bool { return c.slot.Heartbeat.Load() > first })
	expectState(t, c, scoreboard.Ready)

	_, r := c.ask("/hold", "")
	begun(t, r, "hold")
	expectState(t, c, scoreboard.Busy)
	oldest, start := c.slot.RequestID.Load(), c.slot.RequestStart.Load()
	if oldest == 0 || start <= first || start > scoreboard.Now() {
		t.Fatalf("the slot shows request %d since %d", oldest, start)
	}
	c.get("/") // a younger one comes and goes
	if id := c.slot.RequestID.Load(); id != oldest || c.slot.RequestStart.Load() != start {
		t.Fatalf("the slot shows request %d, want the oldest, %d", id, oldest)
	}
	c.signal(syscall.SIGTERM)
	eventually(t, "it drains", func() bool { return scoreboard.State(c.slot.State.Load()) == scoreboard.Draining })
	before := c.slot.Heartbeat.Load()
	eventually(t, "the heart beats on", func() bool { return c.slot.Heartbeat.Load() > before })
}

func expectState(t *testing.T, c *child, want scoreboard.State) {
	t.Helper()
	if got := scoreboard.State(c.slot.State.Load()); got != want {
		t.Fatalf("the slot shows %s, want %s", got, want)
	}
}

// eventually polls shared memory, which has no events.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(bound); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", bound, what)
		}
	}
}

func TestMaxRequestsAsksOnceAndServesOn(t *testing.T) {
	c := spawn(t, settings("sync"), 1, func(s *scoreboard.Slot) { s.MaxRequests.Store(3) }).ready()
	for range 3 {
		c.get("/")
	}
	c.hears(wire.NotifyRetire + "=max_requests")
	for range 3 {
		c.get("/")
	}
	c.signal(syscall.SIGTERM)
	c.exits(0)
	_ = c.notes.SetReadDeadline(time.Now().Add(time.Millisecond))
	if n, err := c.notes.Read(make([]byte, 100)); err == nil {
		t.Fatalf("the worker said something more, %d bytes", n)
	}
}

// After TERM or the arbiter's death, the worker finishes its request and exits by
// itself.
func TestGracefulEnds(t *testing.T) {
	for name, end := range map[string]func(*child){
		"TERM":            func(c *child) { c.signal(syscall.SIGTERM) },
		"TERM twice":      func(c *child) { c.signal(syscall.SIGTERM); c.signal(syscall.SIGTERM) },
		"arbiter is gone": func(c *child) { c.alive.Close() },
	} {
		for _, class := range []string{"sync", "gthread", "asgi"} {
			t.Run(name+" "+class, func(t *testing.T) {
				c := spawn(t, settings(class), 1).ready()
				conn, r := c.ask("/finish", "Content-Length: 1\r\n")
				body := begun(t, r, "begun ")
				end(c)
				eventually(t, "it drains", func() bool { return scoreboard.State(c.slot.State.Load()) == scoreboard.Draining })
				fmt.Fprint(conn, "x")
				if rest, err := io.ReadAll(body); err != nil || string(rest) != "finished" {
					t.Fatalf("read %q, %v", rest, err)
				}
				c.exits(0)
			})
		}
	}
}

// After graceful_timeout the worker exits anyway, even if the arbiter is gone and
// with it the reader of the worker's output.
func TestGracefulTimeoutEndsByItself(t *testing.T) {
	s := settings("event-loop")
	s.GracefulTimeout = 50 * time.Millisecond
	c := spawn(t, s, 1).ready()
	_, r := c.ask("/hold", "")
	begun(t, r, "hold")
	c.alive.Close()
	c.exits(0)
	c.wrote("the arbiter is gone")
	c.wrote("graceful_timeout is over")
	c.wrote("GET /hold, running for")
}

func TestQuickSignals(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT} {
		for _, path := range []string{"/hold", "/spin"} {
			c := spawn(t, settings("threaded"), 1).ready()
			_, r := c.ask(path, "")
			begun(t, r, path[1:])
			c.signal(sig)
			c.exits(0)
		}
	}
}

func TestQuickSignalDuringDrain(t *testing.T) {
	c := spawn(t, settings("sync"), 1).ready()
	_, r := c.ask("/hold", "")
	begun(t, r, "hold")
	c.signal(syscall.SIGTERM)
	eventually(t, "it drains", func() bool { return scoreboard.State(c.slot.State.Load()) == scoreboard.Draining })
	c.signal(syscall.SIGINT)
	c.exits(0)
}

// ABRT shows the requests in flight and every stack, both of a handler that waits
// and of one that spins.
func TestAbortShowsStacks(t *testing.T) {
	for path, function := range map[string]string{"/hold": "testApp.ServeHTTP", "/spin": "handler.spin"} {
		c := spawn(t, settings("threaded"), 1).ready()
		_, r := c.ask(path+"?secret=1", "")
		begun(t, r, path[1:])
		if path == "/spin" {
			spins(t, c.pid)
		}
		c.signal(syscall.SIGABRT)
		c.exits(134)
		text := c.output.text()
		for _, want := range []string{
			fmt.Sprintf("worker 7 (pid %d) has 1 requests in flight", c.pid), "request 1: GET " + path + ", running for",
			function, "goroutine 1 [",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: the worker has not written %q:\n%s", path, want, text)
			}
		}
		if strings.Contains(text, "secret") {
			t.Errorf("%s: a query is in the log", path)
		}
	}
}

// spins waits until a process uses CPU time.
func spins(t *testing.T, pid int) {
	t.Helper()
	used := func() float64 { return must(must(procfs.NewProc(pid)).Stat()).CPUTime() }
	first := used()
	eventually(t, "it spins", func() bool { return used() >= first+0.03 })
}

// A client can neither begin a line of the log nor flood it with a long target.
func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"/hello": "/hello", "/a\nb\x1b[2J": `/a\nb\x1b[2J`, "/\xff\u202e": `/\xff\u202e`,
		strings.Repeat("y", 5000): strings.Repeat("y", targetShown) + "...",
	} {
		if got := printable(text); got != want {
			t.Errorf("printable(%q) gave %q, want %q", text, got, want)
		}
	}
}

func TestSignalsWhileStarting(t *testing.T) {
	for sig, code := range map[syscall.Signal]int{syscall.SIGINT: 0, syscall.SIGQUIT: 0, syscall.SIGABRT: 134} {
		c := spawn(t, settings("stuck"), 0)
		c.wrote("stuck in its start")
		c.signal(sig)
		c.exits(code)
		if sig == syscall.SIGABRT && !strings.Contains(c.output.text(), "stuck.Serve") {
			t.Errorf("no stack of the class in %s", c.output.text())
		}
	}
	s := settings("stuck")
	s.GracefulTimeout = 30 * time.Millisecond
	c := spawn(t, s, 0)
	c.wrote("stuck in its start")
	c.signal(syscall.SIGTERM)
	c.exits(0)
}

func TestClassWithoutSocket(t *testing.T) {
	for sig, want := range map[syscall.Signal]string{syscall.SIGTERM: "drained", syscall.SIGINT: "stopped at once"} {
		c := spawn(t, settings("custom"), 0).ready()
		c.signal(sig)
		c.exits(0)
		c.wrote(want)
	}
}

func TestFailuresSayWhy(t *testing.T) {
	c := spawn(t, settings("failing"), 0)
	c.hears(wire.NotifyError + "=no database anywhere")
	c.exits(1)
	c = spawn(t, settings("unknown"), 0)
	c.hears(wire.NotifyError + `=find worker class "unknown": unsupported operation`)
	c.exits(1)
	c.wrote("unknown")
}

func TestReopenAndPanic(t *testing.T) {
	c := spawn(t, settings("sync"), 1).ready()
	c.signal(syscall.SIGUSR1)
	c.wrote("cannot reopen logs: reopened, so to say")
	conn, r := c.ask("/panic", "")
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("reading an answer that panicked gave %v, want EOF", err)
	}
	conn.Close()
	c.wrote("handler panicked: asked to")
	if got := c.get("/"); got != "hello" {
		t.Errorf("after a panic the worker answers %q", got)
	}
}

// Once the arbiter is gone, nobody reads what the worker writes. That must not
// end the worker early.
func TestOutputWithoutReader(t *testing.T) {
	c := spawn(t, settings("sync"), 1).ready()
	conn, r := c.ask("/finish", "Content-Length: 1\r\n")
	body := begun(t, r, "begun ")
	c.output.deafen()
	c.alive.Close() // it logs that
	eventually(t, "it drains", func() bool { return scoreboard.State(c.slot.State.Load()) == scoreboard.Draining })
	fmt.Fprint(conn, "x")
	if rest, err := io.ReadAll(body); err != nil || string(rest) != "finished" {
		t.Fatalf("read %q, %v", rest, err)
	}
	if status := within(t, c.exited, "the worker has ended"); status.ExitStatus() != 0 {
		t.Fatalf("exited with %v", status)
	}
}

// Idle connections of an event-loop worker cost no thread.
func TestIdleConnectionsCostNoThread(t *testing.T) {
	const clients = 500
	c := spawn(t, settings("event-loop"), 1).ready()
	for range clients {
		conn, r := c.ask("/", "")
		body := head(t, r)
		if _, err := io.ReadAll(body); err != nil {
			t.Fatal(err)
		}
		_ = conn
	}
	if n := c.slot.Connections.Load(); n != clients {
		t.Fatalf("the slot shows %d connections, want %d", n, clients)
	}
	if n := threads(t, c.pid); n > 30 {
		t.Fatalf("%d threads for %d idle connections", n, clients)
	}
}

func threads(t *testing.T, pid int) int {
	t.Helper()
	f, err := os.Open(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if n, ok := strings.CutPrefix(lines.Text(), "Threads:"); ok {
			return must(strconv.Atoi(strings.TrimSpace(n)))
		}
	}
	t.Fatal("no number of threads")
	return 0
}

// The listening sockets are shared with other workers: they stay non-blocking,
// and only this process's descriptors are closed when it ends.
func TestSocketsOutliveTheWorker(t *testing.T) {
	c := spawn(t, settings("sync"), 1).ready()
	if got := c.get("/"); got != "hello" {
		t.Fatal(got)
	}
	c.signal(syscall.SIGTERM)
	c.exits(0)
	conn, err := net.Dial("tcp", c.addr) // the backlog of the arbiter's socket
	if err != nil {
		t.Fatalf("the socket has closed with the worker: %v", err)
	}
	conn.Close()
}

package proxy

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
)

// roles are what this binary does as a worker process. Each writes its address
// first, and ends with its standard input.
var roles = map[string]func(){
	// dies kills itself with a request in flight
	"dies": func() {
		serveProcess(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) }))
	},
	// halves kills itself when a part of the answer is out
	"halves": func() {
		serveProcess(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}))
	},
	"works": func() {
		serveProcess(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "works") }))
	},
}

func serveProcess(h http.Handler) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() { _ = http.Serve(l, h) }()
	os.Stdout.WriteString(l.Addr().String() + "\n")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// startProcess also returns what waits for the process to end by itself.
func startProcess(t *testing.T, role string) (a net.Addr, ended <-chan struct{}) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envRole+"="+role)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	t.Cleanup(func() { stdin.Close(); <-exited })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		close(exited)
		t.Fatal(err)
	}
	go func() { defer close(exited); _ = cmd.Wait() }()
	a, err = net.ResolveTCPAddr("tcp", line[:len(line)-1])
	if err != nil {
		t.Fatal(err)
	}
	return a, exited
}

func TestWorkerProcessDies(t *testing.T) {
	a, ended := startProcess(t, "dies")
	s := newSetup(t, Options{}, a)
	_, err := s.do(t, request("GET", "/"))
	var failed *gateway.WorkerError
	if !errors.As(err, &failed) || !failed.Died || failed.Unsent {
		t.Fatalf("with the request in flight: %#v", err)
	}
	within(t, "the process is reaped", ended)
	if _, err = s.do(t, request("GET", "/")); !errors.As(err, &failed) || !failed.Died || !failed.Unsent {
		t.Fatalf("when dead: %#v", err)
	}
	a, _ = startProcess(t, "halves")
	s = newSetup(t, Options{}, a)
	w, err := s.do(t, request("GET", "/"))
	if !errors.As(err, &failed) || !failed.Died || w.ended || w.body.String() != "half" {
		t.Fatalf("within the answer: %#v, %+v", err, w)
	}
}

// While every worker is dead requests wait, and go to the first that comes.
func TestRequestsOutliveACrashOfAllWorkers(t *testing.T) {
	a, _ := startProcess(t, "works")
	s := newSetup(t, Options{}, a)
	s.want(t, request("POST", "/"), 200, "works")
	s.Update(nil)
	done := make(chan error, 1)
	w := &recorder{}
	go func() { done <- s.Serve(t.Context(), request("POST", "/"), w) }()
	a, _ = startProcess(t, "works")
	s.workers[0].PID, s.workers[0].Address = 2000, a.String()
	s.Update(s.workers)
	if err := within(t, "the new worker answers", done); err != nil || w.body.String() != "works" {
		t.Error(err)
	}
}

func TestScoreboard(t *testing.T) {
	board, err := scoreboard.Create()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { board.Close() }) // behind the backend
	in, out := make(chan struct{}, 8), make(chan struct{})
	a := serveHTTP(t, "tcp", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stream" {
			_ = http.NewResponseController(w).Flush()
		}
		in <- struct{}{}
		<-out
	}))
	slot := board.Slot(0)
	slot.State.Store(uint64(scoreboard.Ready))
	s := newSetup(t, Options{Board: board}, a)
	state := func(what string, st scoreboard.State, inFlight int64, oldest, requests uint64) {
		t.Helper()
		if got := scoreboard.State(slot.State.Load()); got != st || slot.InFlight.Load() != inFlight ||
			slot.RequestID.Load() != oldest || slot.Requests.Load() != requests {
			t.Errorf("%s: %v, %d in flight, oldest %d, %d requests", what, got, slot.InFlight.Load(), slot.RequestID.Load(), slot.Requests.Load())
		}
		if start := slot.RequestStart.Load(); (start == 0) != (oldest == 0) || start > scoreboard.Now() {
			t.Errorf("%s: oldest began at %d", what, start)
		}
	}
	done := make(chan error, 3)
	begin := func(number uint64, path string) chan struct{} {
		r, w, headed := request("GET", path), &recorder{}, make(chan struct{})
		r.Number = number
		w.onFlush = func() { close(headed) }
		go func() { done <- s.Serve(t.Context(), r, w) }()
		within(t, "the worker has the request", in)
		return headed
	}
	state("at first", scoreboard.Ready, 0, 0, 0)
	begin(7, "/")
	state("one", scoreboard.Busy, 1, 7, 0)
	begin(8, "/")
	state("two", scoreboard.Busy, 2, 7, 0)
	within(t, "a stream begins", begin(9, "/stream"))
	state("a stream", scoreboard.Busy, 3, 7, 0)
	if n := slot.Connections.Load(); n != 3 {
		t.Errorf("%d connections", n)
	}
	close(out)
	for range 3 {
		if err := within(t, "an answer", done); err != nil {
			t.Error(err)
		}
	}
	state("at last", scoreboard.Ready, 0, 0, 3)
	if slot.BusyNanos.Load() <= 0 || slot.BusyNanos.Load() > int64(time.Minute) {
		t.Errorf("busy for %d", slot.BusyNanos.Load())
	}
}

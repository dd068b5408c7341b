//go:build linux

package python_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/loop"
	backend "github.com/gonicorn/gonicorn/gateway/python"
	"github.com/gonicorn/gonicorn/gateway/python/link"
	"github.com/gonicorn/gonicorn/gateway/websocket"
	"github.com/gonicorn/gonicorn/internal/gatewaylink"
	"github.com/gonicorn/gonicorn/internal/packet"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
	"github.com/gonicorn/gonicorn/internal/wire"
	"github.com/gonicorn/gonicorn/workers/python"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bound is how long anything may take; it is a bound on failure.
const bound = 20 * time.Second

// output is what is written to it, for tests to wait on.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	news chan struct{}
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.news <- struct{}{}:
	default:
	}
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// expect waits until text has been written.
func (o *output) expect(t testing.TB, text string) {
	t.Helper()
	late := time.After(bound)
	for !strings.Contains(o.String(), text) {
		select {
		case <-o.news:
		case <-late:
			t.Fatalf("no %q in:\n%s", text, o.String())
		}
	}
}

// fleet is a backend and Python workers behind it.
type fleet struct {
	t       testing.TB
	set     python.Settings
	board   *scoreboard.Board
	env     *link.Env
	backend *backend.Backend
	log     *output // of the gateway
	workers []*worker
}

type worker struct {
	gateway.Worker
	cmd  *exec.Cmd
	said *output
	done chan struct{} // closed once the process has ended
}

// options are what a test wants to be different.
type options struct {
	set        python.Settings
	workers    int
	capacity   int
	stallAfter time.Duration
	python     string
	rootPath   string
	deadline   time.Duration // queue timeout
}

// start starts workers of testdata/apps.py and puts a backend in front.
func start(t testing.TB, app string, o options) *fleet {
	t.Helper()
	board, err := scoreboard.Create()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { board.Close() })
	f := &fleet{t: t, board: board, set: o.set, log: &output{news: make(chan struct{}, 1)}}
	f.set.App, f.set.Chdir, f.set.Class, f.set.DisconnectGrace = app, "testdata", "event-loop", 30
	f.env = &link.Env{
		Epoch: 1, Board: board, RootPath: o.rootPath, Pathsend: true, Log: slog.New(slog.NewTextHandler(f.log, nil)),
		WebSocket: websocket.Config{MaxMessage: 1 << 20, Deflate: true},
	}
	l, err := loop.New()
	if err != nil {
		t.Fatal(err)
	}
	f.backend, err = backend.New(backend.Options{Loop: l, Env: f.env, StallAfter: o.stallAfter, QueueSize: 1000, QueueTimeout: o.deadline})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); l.Run() }()
	t.Cleanup(func() {
		f.backend.Close()
		l.Stop()
		<-ended
	})
	for i := range max(o.workers, 1) {
		f.add(i, max(o.capacity, 100), o.python)
	}
	f.update()
	return f
}

// add starts a worker in a slot.
func (f *fleet) add(slot, capacity int, interpreter string) *worker {
	f.t.Helper()
	if interpreter == "" {
		interpreter = "python3"
	}
	path, err := exec.LookPath(interpreter)
	if err != nil {
		f.t.Fatal(err)
	}
	ours, its, err := packet.Pair()
	if err != nil {
		f.t.Fatal(err)
	}
	theirs := os.NewFile(uintptr(its), "conn")
	defer theirs.Close()
	source, err := python.Runner()
	if err != nil {
		f.t.Fatal(err)
	}
	fd, err := gatewaylink.File(source)
	if err != nil {
		f.t.Fatal(err)
	}
	runner := os.NewFile(uintptr(fd), "runner")
	defer runner.Close()
	if err := f.board.Renew(slot); err != nil {
		f.t.Fatal(err)
	}
	pageFD, err := f.board.Page(slot)
	if err != nil {
		f.t.Fatal(err)
	}
	page := os.NewFile(uintptr(pageFD), "page")
	defer page.Close()
	set, err := json.Marshal(f.set)
	if err != nil {
		f.t.Fatal(err)
	}
	w := &worker{said: &output{news: make(chan struct{}, 1)}, done: make(chan struct{})}
	w.cmd = exec.Command(path, python.Args(python.Interpreter{Path: path})[1:]...)
	w.cmd.ExtraFiles = []*os.File{theirs, page, runner}
	w.cmd.Env = append(os.Environ(), wire.EnvConn+"=3", wire.EnvPage+"=4", wire.EnvRunner+"=5",
		wire.EnvWorker+"="+string(set), "PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1")
	w.cmd.Stdout, w.cmd.Stderr = w.said, w.said
	if err := w.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	w.Worker = gateway.Worker{Slot: slot, ID: slot + 1, PID: w.cmd.Process.Pid, Capacity: capacity, Conn: -1}
	f.workers = append(f.workers, w)
	go func() { defer close(w.done); _ = w.cmd.Wait() }()
	f.t.Cleanup(func() {
		_ = w.cmd.Process.Kill()
		<-w.done
		if f.t.Failed() {
			f.t.Logf("worker %d said:\n%s", slot, w.said)
		}
	})
	if err := f.backend.Attach(w.Worker, ours); err != nil {
		f.t.Fatal(err)
	}
	return w
}

// update tells the backend which workers there are.
func (f *fleet) update() {
	var all []gateway.Worker
	for _, w := range f.workers {
		all = append(all, w.Worker)
	}
	f.backend.Update(all)
}

// signal sends a signal to a worker.
func (w *worker) signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	if err := w.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// ended waits for the end of a worker's process.
func (w *worker) ended(t testing.TB) {
	t.Helper()
	select {
	case <-w.done:
	case <-time.After(bound):
		t.Fatal("the worker does not end")
	}
}

// request is a GET, changed by those who have more to say: a method and a
// target, fields as "name: value", and a body behind an empty string.
func request(method, target string, lines ...string) *gateway.Request {
	r := &gateway.Request{
		ID: "id-" + target, Method: method, Target: target, Host: "example.org", Scheme: "http", Major: 1, Minor: 1,
		Remote: netip.MustParseAddrPort("192.0.2.7:1234"), Local: netip.MustParseAddrPort("127.0.0.1:80"),
		Header: []gateway.Field{{Name: "host", Value: "example.org"}}, Received: time.Now(),
	}
	r.Path, r.Query, _ = strings.Cut(target, "?")
	for i, line := range lines {
		if line == "" {
			r.Body = gateway.Body{Inline: []byte(lines[i+1]), Length: int64(len(lines[i+1]))}
			break
		}
		name, value, _ := strings.Cut(line, ": ")
		r.Header = append(r.Header, gateway.Field{Name: name, Value: value})
	}
	return r
}

// answer is a Reply that keeps what it gets.
type answer struct {
	mu       sync.Mutex
	status   int
	fields   []gateway.Field
	length   int64
	body     []byte
	interims []gateway.Field
	trailers []gateway.Field
	started  bool
	ended    bool
	flushes  int
	conn     net.Conn              // what Upgrade hands over
	writing  func(p []byte) error  // called by Write, may wait
	upgraded func([]gateway.Field) // called by Upgrade
}

func (a *answer) Interim(_ int, fields []gateway.Field) error {
	a.interims = append(a.interims, fields...)
	return nil
}

func (a *answer) Head(status int, _ string, fields []gateway.Field, length int64) error {
	a.status, a.length, a.started = status, length, true
	a.fields = append([]gateway.Field(nil), fields...)
	return nil
}

func (a *answer) Write(p []byte) (int, error) {
	if a.writing != nil {
		if err := a.writing(p); err != nil {
			return 0, err
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.body = append(a.body, p...)
	return len(p), nil
}

func (a *answer) WriteFile(f *os.File, off, n int64) error {
	p := make([]byte, n)
	if _, err := f.ReadAt(p, off); err != nil {
		return err
	}
	_, err := a.Write(p)
	return err
}

func (a *answer) Flush() error { a.mu.Lock(); defer a.mu.Unlock(); a.flushes++; return nil }

func (a *answer) End(trailers []gateway.Field) error {
	a.trailers, a.ended = trailers, true
	return nil
}

func (a *answer) Upgrade(status int, fields []gateway.Field) (net.Conn, error) {
	a.status, a.started = status, true
	if a.conn == nil {
		return nil, errors.New("no connection to hand over")
	}
	if a.upgraded != nil {
		a.upgraded(fields)
	}
	return a.conn, nil
}

func (a *answer) Started() bool { return a.started }

// serve has the backend serve a request within the bound.
func (f *fleet) serve(r *gateway.Request, w gateway.Reply) error {
	ctx, cancel := context.WithTimeoutCause(f.t.Context(), bound, gateway.ErrTimeout)
	defer cancel()
	return f.backend.Serve(ctx, r, w)
}

// fetch serves a request that must succeed.
func (f *fleet) fetch(method, target string, lines ...string) *answer {
	f.t.Helper()
	a := &answer{}
	if err := f.serve(request(method, target, lines...), a); err != nil || !a.ended {
		f.t.Fatalf("%s %s: %v, ended %v", method, target, err, a.ended)
	}
	return a
}

// trickle is a request body that comes as the test sends it.
type trickle struct {
	r *io.PipeReader
	*io.PipeWriter
}

func newTrickle() trickle { r, w := io.Pipe(); return trickle{r, w} }

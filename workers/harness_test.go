package workers

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/internal/scoreboard"
	"go.uber.org/goleak"
)

// bound is how long a test waits for anything before it fails.
const bound = 20 * time.Second

// running is a class that serves as it does in a worker.
type running struct {
	t     *testing.T
	addr  string
	own   interface{ SetDeadline(time.Time) error } // the worker's listener
	slot  *scoreboard.Slot
	meter *Meter
	log   *logBuffer
	drain func() // once
	quick context.CancelFunc
	ended chan struct{}
	err   error // of Serve, once ended
}

// start serves h on a new socket of 127.0.0.1.
func start(t *testing.T, c Class, l Limits, h http.Handler) *running {
	t.Helper()
	return startOn(t, listener(t), c, l, h)
}

func listener(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener)
}

// startOn serves on a socket that stays open when the worker is gone, like the
// arbiter's sockets.
func startOn(t *testing.T, l *net.TCPListener, c Class, limits Limits, h http.Handler) *running {
	t.Helper()
	return startWith(t, l, c, &Session{Limits: limits, Handler: h, Keepalive: time.Minute, HeaderTimeout: bound})
}

func startWith(t *testing.T, l *net.TCPListener, c Class, s *Session) *running {
	t.Helper()
	ignore := goleak.IgnoreCurrent()
	file, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	own, err := net.FileListener(file)
	file.Close()
	if err != nil {
		t.Fatal(err)
	}
	ctx, quick := context.WithCancel(t.Context())
	drain := make(chan struct{})
	w := &running{
		t: t, addr: l.Addr().String(), slot: new(scoreboard.Slot), log: &logBuffer{},
		drain: sync.OnceFunc(func() { close(drain) }), quick: quick, ended: make(chan struct{}),
	}
	w.own = own.(*net.TCPListener)
	w.meter = NewMeter(w.slot)
	s.Listeners, s.Meter, s.Drain, s.Log = []net.Listener{own}, w.meter, drain, slog.New(slog.NewTextHandler(w.log, nil))
	go func() {
		defer close(w.ended)
		w.err = c.Serve(ctx, s)
	}()
	t.Cleanup(func() {
		quick()
		w.wait()
		goleak.VerifyNone(t, ignore)
	})
	within(t, w.meter.IsReady(), "the worker is ready")
	return w
}

// wait expects Serve to return.
func (w *running) wait() {
	w.t.Helper()
	within(w.t, w.ended, "Serve has returned")
	if w.err != nil {
		w.t.Errorf("Serve: %v", w.err)
	}
}

// serves reports whether Serve still runs.
func (w *running) serves() bool {
	select {
	case <-w.ended:
		return false
	default:
		return true
	}
}

func within[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(bound):
		t.Fatalf("not within %s: %s", bound, what)
		panic("unreachable")
	}
}

// client is one connection.
type client struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func dial(t *testing.T, addr string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(bound))
	return &client{t: t, Conn: conn, r: bufio.NewReader(conn)}
}

func (c *client) send(path string) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: test\r\n\r\n", path); err != nil {
		c.t.Fatal(err)
	}
}

// answer reads one answer, and reports whether the connection will be closed.
func (c *client) answer() (body string, closes bool) {
	c.t.Helper()
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.t.Fatalf("read answer: %v", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		c.t.Fatalf("status %d, %v", resp.StatusCode, err)
	}
	return string(text), resp.Close
}

func (c *client) get(path string) (body string, closes bool) {
	c.t.Helper()
	c.send(path)
	return c.answer()
}

// expectClosed expects the server to close the connection without a reset.
func (c *client) expectClosed() {
	c.t.Helper()
	if _, err := c.r.ReadByte(); err != io.EOF {
		c.t.Fatalf("reading from a closed connection gave %v, want EOF", err)
	}
}

// app is a handler for tests. A request for "/hold" waits for release.
type app struct {
	name    string
	entered chan string // the path of each request that began
	release chan struct{}

	now, most atomic.Int64 // requests at once
}

func newApp(name string) *app {
	return &app{name: name, entered: make(chan string, 10_000), release: make(chan struct{})}
}

func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := a.now.Add(1)
	defer a.now.Add(-1)
	for most := a.most.Load(); n > most && !a.most.CompareAndSwap(most, n); most = a.most.Load() {
	}
	a.entered <- r.URL.Path
	if r.URL.Path == "/hold" {
		select {
		case <-a.release:
		case <-r.Context().Done():
		}
	}
	fmt.Fprint(w, a.name)
}

// logBuffer keeps what is logged.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

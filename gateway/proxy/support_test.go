package proxy

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/dispatch"
	"github.com/gonicorn/gonicorn/gateway/gatewaytest"
)

// bound is how long anything may take before a test gives up.
const bound = 10 * time.Second

const envRole = "UPSTREAM_TEST_ROLE"

// TestMain is also a worker process, when a role is set.
func TestMain(m *testing.M) {
	if role := os.Getenv(envRole); role != "" {
		roles[role]()
		os.Exit(0)
	}
	goleak.VerifyTestMain(bothWays{m})
}

// recorder is a Reply that keeps what it gets.
type recorder struct {
	status   int
	reason   string
	fields   []gateway.Field
	length   int64
	body     bytes.Buffer
	interim  []int
	trailers []gateway.Field
	flushed  []int // length of the body at each Flush
	ended    bool

	conn    net.Conn             // what Upgrade gives
	onWrite func(p []byte) error // instead of keeping
	onFlush func()
}

func (w *recorder) Interim(status int, _ []gateway.Field) error {
	w.interim = append(w.interim, status)
	return nil
}

func (w *recorder) Head(status int, reason string, fields []gateway.Field, length int64) error {
	w.status, w.reason, w.length = status, reason, length
	w.fields = append([]gateway.Field(nil), fields...)
	return nil
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.onWrite != nil {
		return len(p), w.onWrite(p)
	}
	return w.body.Write(p)
}

func (w *recorder) WriteFile(*os.File, int64, int64) error { panic("not used by this backend") }

func (w *recorder) Flush() error {
	w.flushed = append(w.flushed, w.body.Len())
	if w.onFlush != nil {
		w.onFlush()
	}
	return nil
}

func (w *recorder) End(trailers []gateway.Field) error {
	w.ended, w.trailers = true, append([]gateway.Field(nil), trailers...)
	return nil
}

func (w *recorder) Upgrade(status int, fields []gateway.Field) (net.Conn, error) {
	w.status, w.ended = status, true
	w.fields = append([]gateway.Field(nil), fields...)
	return w.conn, nil
}

func (w *recorder) Started() bool { return w.status != 0 }

func (w *recorder) get(name string) string {
	for _, f := range w.fields {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// setup is a backend with workers in slots 0, 1, ..., one for each address.
type setup struct {
	*Backend
	workers []gateway.Worker
	looped  bool
}

func newSetup(t testing.TB, o Options, addresses ...net.Addr) *setup {
	s := &setup{}
	for i, a := range addresses {
		s.workers = append(s.workers, gateway.Worker{Slot: i, ID: i + 1, PID: 1000 + i, Network: a.Network(), Address: a.String(), Capacity: 16})
	}
	if o.Pool == nil {
		o.Pool = dispatch.New(100, bound)
	}
	if s.looped = looped; s.looped {
		o.Loop = newLoop(t)
	}
	s.Backend = New(o)
	if s.looped {
		run(t, o.Loop)
	}
	s.Update(s.workers)
	t.Cleanup(func() {
		s.Update(nil)
		if st := s.Pool.Stats(); st.InFlight != 0 {
			t.Errorf("left behind: %+v", st)
		}
		if t.Failed() && s.looped {
			t.Log("on the loop")
		}
	})
	return s
}

// do serves one request.
func (s *setup) do(t testing.TB, r *gateway.Request) (*recorder, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	w := &recorder{}
	err := s.Serve(ctx, r, w)
	return w, err
}

// want serves one request and expects an answer with this body.
func (s *setup) want(t testing.TB, r *gateway.Request, status int, body string) *recorder {
	t.Helper()
	w, err := s.do(t, r)
	if err != nil || w.status != status || w.body.String() != body || !w.ended {
		t.Fatalf("%s %s: status %d, %d bytes %.100q, ended %v, error %v", r.Method, r.Target, w.status, w.body.Len(), w.body.String(), w.ended, err)
	}
	return w
}

func request(method, target string) *gateway.Request {
	return &gateway.Request{Number: 1, Method: method, Target: target, Path: target, Host: "example.org", Major: 1, Minor: 1,
		Header: []gateway.Field{{Name: "user-agent", Value: "test"}}}
}

func inline(method, target, body string) *gateway.Request {
	r := request(method, target)
	r.Body = gateway.Body{Length: int64(len(body)), Inline: []byte(body)}
	return r
}

func listenAt(t testing.TB, network string) net.Listener {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		dir, err := os.MkdirTemp("", "up")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		address = filepath.Join(dir, "s")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// serveHTTP is a real server.
func serveHTTP(t testing.TB, network string, h http.Handler) net.Addr {
	t.Helper()
	l := listenAt(t, network)
	server := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close(); <-done })
	return l.Addr()
}

// serveConn handles each connection by a script; n counts them from 0.
func serveConn(t testing.TB, script func(n int, c net.Conn, in *bufio.Reader)) net.Addr {
	t.Helper()
	return gatewaytest.Scripted(t, listenAt(t, "tcp"), script)
}

// readRequest reads one request with its body; false at the connection's end.
func readRequest(in *bufio.Reader) (*http.Request, string, bool) {
	r, err := http.ReadRequest(in)
	if err != nil {
		return nil, "", false
	}
	body, err := io.ReadAll(r.Body)
	return r, string(body), err == nil
}

const okResponse = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

func say(c net.Conn, s string) { _, _ = io.WriteString(c, s) }

// within fails the test when what it waits for does not happen.
func within[T any](t testing.TB, what string, ch <-chan T) (v T) {
	t.Helper()
	timer := time.NewTimer(bound)
	defer timer.Stop()
	select {
	case v = <-ch:
	case <-timer.C:
		t.Fatal("in vain: " + what)
	}
	return v
}

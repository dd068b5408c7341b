package workers

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/internal/scoreboard"
)

// A request that is in flight when the worker is told to finish is answered with
// "Connection: close". Then the worker is done.
func TestDrainFinishesRequests(t *testing.T) {
	for _, class := range Builtin() {
		t.Run(class.Name(), func(t *testing.T) {
			a := newApp("one")
			w := start(t, class, Limits{Threads: 2, Connections: 10}, a)
			c := dial(t, w.addr)
			c.send("/hold")
			within(t, a.entered, "the request has begun")
			w.meter.Draining()
			w.drain()
			refused(t, w)
			if got := scoreboard.State(w.slot.State.Load()); got != scoreboard.Draining {
				t.Errorf("the slot shows %s, want draining", got)
			}
			if !w.serves() {
				t.Fatal("Serve returned with a request in flight")
			}
			close(a.release)
			if _, closes := c.answer(); !closes {
				t.Error("a draining worker keeps the connection")
			}
			c.expectClosed()
			w.wait()
			if n := w.slot.Connections.Load() + w.slot.InFlight.Load(); n != 0 {
				t.Errorf("the slot shows %d connections and requests after the end", n)
			}
		})
	}
}

// refused waits until the worker accepts nothing more.
func refused(t *testing.T, w *running) {
	t.Helper()
	within(t, w.stoppedAccepting(), "the worker accepts nothing more")
}

// stoppedAccepting is closed once Serve has closed its own listener.
func (w *running) stoppedAccepting() <-chan struct{} {
	c := make(chan struct{})
	go func() {
		defer close(c)
		for w.own.SetDeadline(time.Time{}) == nil { // there is no event for it
			time.Sleep(time.Millisecond)
		}
	}()
	return c
}

// Two clients send a request just as the worker is told to finish: one that was
// idle, and one that has only connected. Both get an answer.
func TestDrainServesLatecomers(t *testing.T) {
	for _, class := range []Class{Threaded{}, EventLoop{}} {
		t.Run(class.Name(), func(t *testing.T) {
			a := newApp("one")
			w := start(t, class, Limits{Threads: 4, Connections: 10}, a)
			idle, fresh := dial(t, w.addr), dial(t, w.addr)
			idle.get("/")
			accepted(t, w, 2)
			w.drain()
			refused(t, w)
			for _, c := range []*client{idle, fresh} {
				if _, closes := c.get("/"); !closes {
					t.Error("a draining worker keeps the connection")
				}
				c.expectClosed()
			}
			w.wait()
		})
	}
}

// accepted waits until the worker has this many connections.
func accepted(t *testing.T, w *running, n int64) {
	t.Helper()
	deadline := time.Now().Add(bound)
	for w.slot.Connections.Load() != n {
		if time.Now().After(deadline) {
			t.Fatalf("the slot shows %d connections, want %d", w.slot.Connections.Load(), n)
		}
		time.Sleep(time.Millisecond)
	}
}

// Connections without requests do not hold up the worker.
func TestDrainClosesIdleConnections(t *testing.T) {
	for _, class := range []Class{Threaded{}, EventLoop{}} {
		t.Run(class.Name(), func(t *testing.T) {
			w := start(t, class, Limits{Threads: 4, Connections: 10}, newApp("one"))
			idle, fresh := dial(t, w.addr), dial(t, w.addr)
			idle.get("/")
			accepted(t, w, 2)
			w.drain()
			idle.expectClosed()
			fresh.expectClosed()
			w.wait()
		})
	}
}

// Clients with kept connections, and with a new one each request, lose nothing
// while workers come and go on their socket.
func TestDrainUnderLoadLosesNothing(t *testing.T) {
	for _, class := range Builtin() {
		t.Run(class.Name(), func(t *testing.T) {
			l := listener(t)
			limits := Limits{Threads: 4, Connections: 100}
			hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })
			worker := startOn(t, l, class, limits, hello)
			var clients sync.WaitGroup
			var served atomic.Int64
			done := make(chan struct{})
			for i := range 6 {
				clients.Go(func() {
					if err := insist(l.Addr().String(), i%2 == 0, done, &served); err != nil {
						t.Error(err)
					}
				})
			}
			for range 8 {
				next := startOn(t, l, class, limits, hello)
				for want := served.Load() + 50; served.Load() < want && !t.Failed(); {
					time.Sleep(time.Millisecond)
				}
				worker.drain()
				worker.wait()
				worker = next
			}
			close(done)
			clients.Wait()
		})
	}
}

// insist makes requests until done, and returns the first error. It opens a new
// connection only if the last answer closed the old one, or for each request
// unless keep is set.
func insist(addr string, keep bool, done <-chan struct{}, served *atomic.Int64) error {
	var conn net.Conn
	var r *bufio.Reader
	for {
		select {
		case <-done:
			if conn != nil {
				conn.Close()
			}
			return nil
		default:
		}
		if conn == nil {
			var err error
			if conn, err = net.Dial("tcp", addr); err != nil {
				return err
			}
			_ = conn.SetDeadline(time.Now().Add(bound))
			r = bufio.NewReader(conn)
		}
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: test\r\n\r\n"); err != nil {
			return fmt.Errorf("send request: %w", err)
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return fmt.Errorf("read answer: %w", err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return fmt.Errorf("read body: %w", err)
		}
		served.Add(1)
		if resp.Close || !keep {
			conn.Close()
			conn = nil
		}
	}
}

// The worker waits for a hijacked connection. It keeps its place, and does not
// count as a request that could be too old.
func TestDrainWaitsForHijackedConnections(t *testing.T) {
	for _, class := range Builtin() {
		t.Run(class.Name(), func(t *testing.T) {
			w := start(t, class, Limits{Threads: 1, Connections: 1}, http.HandlerFunc(echo))
			c := dial(t, w.addr)
			c.send("/")
			line := func(want string) {
				t.Helper()
				if got, err := c.r.ReadString('\n'); err != nil || got != want {
					t.Fatalf("read %q, %v; want %q", got, err, want)
				}
			}
			line("upgraded\n")
			if id, n := w.slot.RequestID.Load(), w.slot.Requests.Load(); id != 0 || n != 1 {
				t.Errorf("the slot shows request %d in flight and %d finished, want 0 and 1", id, n)
			}
			w.drain()
			refused(t, w)
			fmt.Fprintf(c, "still there\n")
			line("still there\n")
			if !w.serves() || w.slot.Connections.Load() != 1 {
				t.Fatal("the worker did not wait for the connection")
			}
			c.Close()
			w.wait()
		})
	}
}

// echo takes the connection over and sends back every line.
func echo(w http.ResponseWriter, _ *http.Request) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	fmt.Fprintf(conn, "upgraded\n")
	for {
		line, err := rw.ReadString('\n')
		if err != nil {
			return
		}
		fmt.Fprint(conn, line)
	}
}

// A quick stop cuts off everything, even a handler that ignores its context.
func TestQuickStop(t *testing.T) {
	for _, class := range Builtin() {
		t.Run(class.Name(), func(t *testing.T) {
			entered, leave := make(chan struct{}, 2), make(chan struct{})
			w := start(t, class, Limits{Threads: 2, Connections: 2}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				entered <- struct{}{}
				<-leave
			}))
			t.Cleanup(func() { close(leave) }) // before the worker's, which looks for goroutines
			c := dial(t, w.addr)
			c.send("/")
			within(t, entered, "the request has begun")
			w.quick()
			w.wait()
			if _, err := c.r.ReadByte(); err == nil || errors.Is(err, net.ErrClosed) {
				t.Fatalf("reading gave %v, want that the connection has ended", err)
			}
		})
	}
}

// A worker that drains can still be stopped at once.
func TestQuickStopDuringDrain(t *testing.T) {
	a := newApp("one")
	w := start(t, EventLoop{}, Limits{Connections: 2}, a)
	c := dial(t, w.addr)
	c.send("/hold")
	within(t, a.entered, "the request has begun")
	w.drain()
	refused(t, w)
	w.quick()
	w.wait()
}

func TestPanicIsLoggedAndSurvived(t *testing.T) {
	w := start(t, Sync{}, Limits{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/panic":
			panic("asked to")
		case "/abort":
			panic(http.ErrAbortHandler)
		}
		fmt.Fprint(w, "fine")
	}))
	for _, path := range []string{"/abort", "/panic"} {
		c := dial(t, w.addr)
		c.send(path)
		c.expectClosed()
		if body, _ := dial(t, w.addr).get("/"); body != "fine" {
			t.Fatalf("after %s the worker answers %q", path, body)
		}
		if logged := strings.Contains(w.log.String(), "panic"); logged != (path == "/panic") {
			t.Errorf("after %s the log says %q", path, w.log)
		}
	}
	for _, want := range []string{"asked to", "drain_test.go", "path=/panic"} {
		if !strings.Contains(w.log.String(), want) {
			t.Errorf("the log does not say %q: %s", want, w.log)
		}
	}
	if n := w.slot.InFlight.Load(); n != 0 {
		t.Errorf("the slot shows %d requests in flight", n)
	}
}

func TestSlowHeadIsCutOff(t *testing.T) {
	l := listener(t)
	w := startWith(t, l, Sync{}, &Session{Handler: newApp("one"), HeaderTimeout: 50 * time.Millisecond})
	slow := dial(t, w.addr)
	fmt.Fprintf(slow, "GET / HT")
	if _, err := io.Copy(io.Discard, slow.r); err != nil { // an answer may say why
		t.Fatalf("reading gave %v, want that the connection is closed", err)
	}
	dial(t, w.addr).get("/")
}

func TestKeepaliveEnds(t *testing.T) {
	w := startWith(t, listener(t), EventLoop{}, &Session{
		Handler: newApp("one"), Keepalive: 50 * time.Millisecond, Limits: Limits{Connections: 2},
	})
	c := dial(t, w.addr)
	if _, closes := c.get("/"); closes {
		t.Error("the connection is not kept")
	}
	c.expectClosed()

	w = startWith(t, listener(t), EventLoop{}, &Session{Handler: newApp("one"), Limits: Limits{Connections: 2}})
	c = dial(t, w.addr)
	if _, closes := c.get("/"); !closes {
		t.Error("the connection is kept with keepalive 0")
	}
}

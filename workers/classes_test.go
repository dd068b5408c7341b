package workers

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/gonicorn/gonicorn/internal/scoreboard"
)

func TestLookupFindsNamesAndAliases(t *testing.T) {
	for name, want := range map[string]string{
		"sync": "sync", "threaded": "threaded", "gthread": "threaded", "event-loop": "event-loop", "asgi": "event-loop",
		"gevent": "gevent", "gunicorn.workers.ggevent.GeventWorker": "gevent", "uvicorn.workers.UvicornWorker": "event-loop", "uvicorn_worker.UvicornWorker": "event-loop",
	} {
		if c, ok := Lookup(Builtin(), name); !ok || c.Name() != want {
			t.Errorf("Lookup(%q) gave %v, %v; want %s", name, c, ok, want)
		}
	}
	if c, ok := Lookup(Builtin(), "Sync"); ok {
		t.Errorf("Lookup of an unknown name gave %v", c)
	}
}

func TestNamesAreUnique(t *testing.T) {
	var names []string
	for _, c := range Builtin() {
		names = append(append(names, c.Name()), c.Aliases()...)
	}
	slices.Sort(names)
	if unique := slices.Compact(slices.Clone(names)); len(unique) != len(names) {
		t.Errorf("a name is given twice in %v", names)
	}
}

func TestCapacityAndLiveness(t *testing.T) {
	l := Limits{Threads: 4, Connections: 1000}
	for _, c := range []struct {
		class    Class
		capacity int
		alive    Liveness
	}{
		{Sync{}, 1, RequestAge | Heartbeat}, {Threaded{}, 4, RequestAge | Heartbeat}, {EventLoop{}, 1000, Heartbeat}, {Gevent{}, 1000, Heartbeat},
	} {
		if got := c.class.Capacity(l); got != c.capacity {
			t.Errorf("%s holds %d, want %d", c.class.Name(), got, c.capacity)
		}
		if got := c.class.Capacity(Limits{}); got != 1 {
			t.Errorf("%s without limits holds %d, want 1", c.class.Name(), got)
		}
		if got := c.class.Alive(); got != c.alive {
			t.Errorf("%s is alive by %b, want %b", c.class.Name(), got, c.alive)
		}
	}
}

func TestWithoutHandler(t *testing.T) {
	for _, c := range Builtin() {
		err := c.Serve(t.Context(), &Session{Meter: NewMeter(new(scoreboard.Slot)), Log: slog.New(slog.DiscardHandler)})
		if !errors.Is(err, ErrNoHandler) {
			t.Errorf("%s without a handler gave %v", c.Name(), err)
		}
	}
}

// A broken listener is a failure of the worker, not a quiet end.
func TestBrokenListener(t *testing.T) {
	for _, c := range Builtin() {
		l := &broken{listener(t)}
		err := c.Serve(context.Background(), &Session{
			Listeners: []net.Listener{l}, Handler: http.NotFoundHandler(), Meter: NewMeter(new(scoreboard.Slot)),
			Log: slog.New(slog.DiscardHandler), Drain: make(chan struct{}), Limits: Limits{Connections: 1},
		})
		if !errors.Is(err, errBroken) {
			t.Errorf("%s with a broken listener gave %v", c.Name(), err)
		}
	}
}

// While sync has a request, every other one goes to the second worker. Both
// listen, but the first accepts nothing.
func TestSyncLeavesOthersInTheBacklog(t *testing.T) {
	l := listener(t)
	one, two := newApp("one"), newApp("two")
	startOn(t, l, Sync{}, Limits{}, one)
	held := dial(t, l.Addr().String())
	held.send("/hold")
	within(t, one.entered, "the request has begun")

	startOn(t, l, Sync{}, Limits{}, two)
	for range 50 {
		if body, _ := dial(t, l.Addr().String()).get("/"); body != "two" {
			t.Fatalf("answered by %q, want two", body)
		}
	}
	close(one.release)
	if body, _ := held.answer(); body != "one" {
		t.Fatalf("answered by %q, want one", body)
	}
}

func TestSyncServesOneAtATime(t *testing.T) {
	a := newApp("one")
	w := start(t, Sync{}, Limits{Threads: 8, Connections: 8}, a)
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for range 20 {
				c := dial(t, w.addr)
				_, closes := c.get("/")
				if !closes {
					t.Error("sync keeps a connection")
				}
				c.expectClosed()
				c.Close()
			}
		})
	}
	clients.Wait()
	if most := a.most.Load(); most != 1 {
		t.Fatalf("%d requests at once, want 1", most)
	}
	if got := w.slot.Requests.Load(); got != 160 {
		t.Fatalf("the slot shows %d requests, want 160", got)
	}
}

func TestThreadedServesAtMostThreads(t *testing.T) {
	a := newApp("one")
	w := start(t, Threaded{}, Limits{Threads: 3, Connections: 100}, a)
	var clients sync.WaitGroup
	for range 9 {
		clients.Go(func() {
			c := dial(t, w.addr)
			if _, closes := c.get("/hold"); closes {
				t.Error("threaded closes a connection")
			}
		})
	}
	for range 3 {
		within(t, a.entered, "a request has begun")
	}
	if got := w.slot.InFlight.Load(); got != 3 {
		t.Errorf("the slot shows %d in flight, want 3", got)
	}
	close(a.release)
	clients.Wait()
	if most := a.most.Load(); most != 3 {
		t.Fatalf("%d requests at once, want 3", most)
	}
}

// While all threads are busy, nothing is accepted, and a free worker gets new
// connections.
func TestThreadedLeavesOthersInTheBacklog(t *testing.T) {
	l := listener(t)
	one, two := newApp("one"), newApp("two")
	limits := Limits{Threads: 2, Connections: 100}
	startOn(t, l, Threaded{}, limits, one)
	for range 2 {
		dial(t, l.Addr().String()).send("/hold")
		within(t, one.entered, "the request has begun")
	}
	startOn(t, l, Threaded{}, limits, two)
	for range 50 {
		if body, _ := dial(t, l.Addr().String()).get("/"); body != "two" {
			t.Fatalf("answered by %q, want two", body)
		}
	}
}

func TestThreadedIdleConnectionLendsItsThread(t *testing.T) {
	a := newApp("one")
	w := start(t, Threaded{}, Limits{Threads: 1, Connections: 100}, a)
	idle := dial(t, w.addr)
	idle.get("/first")
	within(t, a.entered, "the first")

	busy := dial(t, w.addr) // the one thread is free for it
	busy.send("/hold")
	if path := within(t, a.entered, "the second"); path != "/hold" {
		t.Fatalf("%s has begun, want /hold", path)
	}
	idle.send("/waits") // and now it is not
	third := dial(t, w.addr)
	third.send("/waits")
	close(a.release)
	busy.answer()
	idle.answer()
	third.answer()
	if most := a.most.Load(); most != 1 {
		t.Fatalf("%d requests at once with one thread", most)
	}
}

// Connections that send nothing do not use up the threads.
func TestThreadedSilentConnectionLendsItsThread(t *testing.T) {
	a := newApp("one")
	w := start(t, Threaded{}, Limits{Threads: 2, Connections: 100}, a)
	var silent []*client
	for range 5 {
		silent = append(silent, dial(t, w.addr))
	}
	dial(t, w.addr).get("/")
	for _, c := range silent {
		c.get("/")
	}
}

func TestThreadedBoundsIdleConnections(t *testing.T) {
	l := listener(t)
	limits := Limits{Threads: 2, Connections: 4}
	one, two := newApp("one"), newApp("two")
	startOn(t, l, Threaded{}, limits, one)
	for range 4 {
		dial(t, l.Addr().String()).get("/")
	}
	startOn(t, l, Threaded{}, limits, two)
	for range 20 {
		c := dial(t, l.Addr().String())
		if body, _ := c.get("/"); body != "two" {
			t.Fatalf("answered by %q, want two", body)
		}
		c.Close()
	}
}

func TestEventLoopHoldsManyAtOnce(t *testing.T) {
	a := newApp("one")
	w := start(t, EventLoop{}, Limits{Threads: 1, Connections: 50}, a)
	var clients []*client
	for range 50 {
		c := dial(t, w.addr)
		c.send("/hold")
		clients = append(clients, c)
	}
	for range 50 {
		within(t, a.entered, "a request has begun")
	}
	close(a.release)
	for _, c := range clients {
		if _, closes := c.answer(); closes {
			t.Fatal("event-loop closes a connection")
		}
	}
}

// At worker_connections nothing more is accepted. Idle connections count too, and
// one that closes makes room.
func TestEventLoopBoundsConnections(t *testing.T) {
	l := listener(t)
	limits := Limits{Connections: 4}
	one, two := newApp("one"), newApp("two")
	startOn(t, l, EventLoop{}, limits, one)
	var idle []*client
	for range 4 {
		c := dial(t, l.Addr().String())
		c.get("/")
		idle = append(idle, c)
	}
	second := startOn(t, l, EventLoop{}, limits, two)
	for range 20 {
		c := dial(t, l.Addr().String())
		if body, _ := c.get("/"); body != "two" {
			t.Fatalf("answered by %q, want two", body)
		}
		c.Close()
	}
	second.drain()
	second.wait()
	waits := dial(t, l.Addr().String())
	waits.send("/")
	idle[0].Close()
	if body, _ := waits.answer(); body != "one" {
		t.Fatalf("answered by %q, want one", body)
	}
}

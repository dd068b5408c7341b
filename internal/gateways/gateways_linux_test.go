package gateways

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/internal/gatewaylink"
	"github.com/gonicorn/gonicorn/internal/wire"
	"golang.org/x/sys/unix"
)

func links(t *testing.T, say Events) *Links {
	noPage := func(int) (int, error) { return -1, errors.New("no page") }
	g := New(slog.New(slog.NewTextHandler(io.Discard, nil)), noPage, say)
	t.Cleanup(g.Close)
	return g
}

func connect(t *testing.T, g *Links, generation int, certificates []byte) *gatewaylink.Conn {
	t.Helper()
	fd, err := g.Connect(generation, certificates)
	if err != nil {
		t.Fatal(err)
	}
	conn := gatewaylink.NewConn(fd)
	t.Cleanup(conn.Close)
	return conn
}

// until reads what a gateway is told until it is what the test waits for.
func until(t *testing.T, conn *gatewaylink.Conn, so func(m wire.ToGateway, files []int) bool) {
	t.Helper()
	for {
		var m wire.ToGateway
		files, err := conn.Receive(&m)
		if err != nil {
			t.Fatal(err)
		}
		done := so(m, files)
		for _, fd := range files {
			unix.Close(fd)
		}
		if done {
			return
		}
	}
}

func slots(m wire.ToGateway) (all []int) {
	for _, w := range m.Workers {
		all = append(all, w.Slot)
	}
	return all
}

// Two gateways at once: each hears of the workers of its own time, and a canary
// belongs to the gateway before its generation.
func TestEachGatewayHearsOfItsWorkers(t *testing.T) {
	g := links(t, Events{})
	old, next := connect(t, g, 1, nil), connect(t, g, 3, nil)
	g.Publish([]Worker{
		{Worker: wire.Worker{Slot: 0, Generation: 1}}, {Worker: wire.Worker{Slot: 1, Generation: 2}},
		{Worker: wire.Worker{Slot: 2, Generation: 3}}, {Worker: wire.Worker{Slot: 3, Generation: 3}, Trial: true},
	})
	for conn, want := range map[*gatewaylink.Conn][]int{old: {0, 1, 3}, next: {2}} {
		until(t, conn, func(m wire.ToGateway, _ []int) bool { return m.Snapshot && slices.Equal(slots(m), want) })
	}
}

// The gateway of a reload has its own certificates until the reload is committed;
// certify gives all of them the new ones.
func TestCertificatesOfAReload(t *testing.T) {
	g := links(t, Events{})
	read := func(conn *gatewaylink.Conn, want string) {
		t.Helper()
		until(t, conn, func(m wire.ToGateway, files []int) bool {
			if !m.Certificates || len(files) != 1 {
				return false
			}
			text := make([]byte, 100)
			n, err := unix.Pread(files[0], text, 0)
			if err != nil {
				t.Fatal(err)
			}
			return string(text[:n]) == want
		})
	}
	g.Certify([]byte("first"), 1)
	old, next := connect(t, g, 1, []byte("first")), connect(t, g, 2, []byte("second"))
	read(old, "first")
	read(next, "second")
	g.Certify([]byte("third"), 2)
	read(old, "third")
	read(next, "third")
}

// What gateways say reaches the arbiter, and an answer whoever asked.
func TestGatewaysAreHeard(t *testing.T) {
	idle, broken := make(chan int, 1), make(chan int, 1)
	g := links(t, Events{
		Idle:   func(_, pid int) { idle <- pid },
		Broken: func(_, pid int) { broken <- pid },
		Stuck:  func(wire.Stuck) {},
	})
	conn := connect(t, g, 1, nil)
	var said wire.FromGateway
	said.Idle = []wire.Idle{{Slot: 0, PID: 7}}
	said.Broken = []wire.Idle{{Slot: 0, PID: 8}}
	if err := conn.Send(said, nil); err != nil {
		t.Fatal(err)
	}
	if a, b := <-idle, <-broken; a != 7 || b != 8 {
		t.Errorf("idle %d, broken %d", a, b)
	}
	go func() {
		until(t, conn, func(m wire.ToGateway, _ []int) bool { return m.Ask })
		if err := conn.Send(wire.FromGateway{Answer: true, InFlight: []wire.InFlight{{Number: 5}}}, nil); err != nil {
			t.Error(err)
		}
	}()
	if got := g.Requests(context.Background()); len(got) != 1 || got[0].Number != 5 {
		t.Errorf("in flight: %v", got)
	}
	g.Ends(wire.Ended{PID: 9})
	until(t, conn, func(m wire.ToGateway, _ []int) bool { return len(m.Ended) == 1 && m.Ended[0].PID == 9 })
}

// A process without descriptors, or a system without memory, keeps the gateway,
// which is told once there is room.
func TestGatewayIsToldLaterWhenThereIsNoRoom(t *testing.T) {
	room := make(chan struct{})
	page := func(int) (int, error) {
		select {
		case <-room:
			return unix.FcntlInt(1, unix.F_DUPFD_CLOEXEC, 0)
		default:
			return -1, fmt.Errorf("hand on a page: %w", unix.EMFILE)
		}
	}
	g := New(slog.New(slog.DiscardHandler), page, Events{})
	t.Cleanup(g.Close)
	conn := connect(t, g, 1, nil)
	until(t, conn, func(m wire.ToGateway, _ []int) bool { return m.Snapshot && len(m.Workers) == 0 })
	g.Publish([]Worker{{Worker: wire.Worker{Slot: 7, Generation: 1, PID: 4711}}})
	got := make(chan []int)
	go func() {
		until(t, conn, func(m wire.ToGateway, files []int) bool {
			if len(m.Workers) == 1 {
				got <- append([]int{len(files)}, m.Pages...)
			}
			return len(m.Workers) == 1
		})
	}()
	select {
	case told := <-got:
		t.Fatalf("it was told without the page: %v", told)
	case <-time.After(scarceTime / 4):
	}
	close(room)
	select {
	case told := <-got:
		if !slices.Equal(told, []int{1, 7}) {
			t.Errorf("files and pages: %v", told)
		}
	case <-time.After(10 * scarceTime):
		t.Error("it was never told")
	}
}

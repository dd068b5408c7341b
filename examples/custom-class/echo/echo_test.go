package echo

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/workers"
	"go.uber.org/goleak"
)

const bound = 20 * time.Second

// start serves on a loopback socket until the test ends.
func start(t *testing.T, connections int) (addr string, meter *workers.Meter, drain func(), quick func(), ended <-chan error) {
	t.Helper()
	l := listen(t)
	meter, drain, quick, ended = startOn(t, connections, l)
	return l.Addr().String(), meter, drain, quick, ended
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func startOn(t *testing.T, connections int, listeners ...net.Listener) (meter *workers.Meter, drain func(), quick func(), ended <-chan error) {
	t.Helper()
	t.Cleanup(func() { goleak.VerifyNone(t) })
	ctx, cancel := context.WithCancel(t.Context())
	draining := make(chan struct{})
	meter = workers.NewMeter(nil)
	served, done := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(done)
		served <- Class{}.Serve(ctx, &workers.Session{
			Listeners: listeners, Limits: workers.Limits{Connections: connections}, Meter: meter,
			Drain: draining, Log: slog.New(slog.DiscardHandler),
		})
	}()
	t.Cleanup(func() { cancel(); <-done })
	<-meter.IsReady()
	return meter, func() { close(draining) }, cancel, served
}

func dial(t *testing.T, addr string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(bound))
	return conn, bufio.NewReader(conn)
}

func expectLine(t *testing.T, r *bufio.Reader, want string) {
	t.Helper()
	if got, err := r.ReadString('\n'); got != want || (err != nil && err != io.EOF) {
		t.Fatalf("read %q, %v; want %q", got, err, want)
	}
}

func TestLinesComeBack(t *testing.T) {
	addr, meter, _, _, _ := start(t, 10)
	for range 2 {
		conn, r := dial(t, addr)
		fmt.Fprint(conn, "one\ntwo\n")
		expectLine(t, r, "one\n")
		expectLine(t, r, "two\n")
	}
	if n := meter.Requests(); n != 4 {
		t.Errorf("%d lines counted, want 4", n)
	}
}

func TestLineTooLongEndsTheConnection(t *testing.T) {
	addr, _, _, _, _ := start(t, 10)
	conn, r := dial(t, addr)
	go fmt.Fprint(conn, strings.Repeat("x", 2*maxLine)) // it is cut off
	if n, _ := io.Copy(io.Discard, r); n != 0 {
		t.Fatalf("%d bytes of a line that is too long came back", n)
	}
}

func TestDrainFinishesTheLine(t *testing.T) {
	addr, _, drain, _, ended := start(t, 10)
	conn, r := dial(t, addr)
	fmt.Fprint(conn, "first\nhalf a ")
	expectLine(t, r, "first\n")
	drain()
	fmt.Fprint(conn, "line\n")
	expectLine(t, r, "half a line\n")
	select {
	case err := <-ended:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(bound):
		t.Fatal("a drained worker does not end")
	}
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("reading gave %v, want EOF", err)
	}
}

func TestQuickStop(t *testing.T) {
	addr, _, _, quick, ended := start(t, 1)
	conn, r := dial(t, addr)
	fmt.Fprint(conn, "line\n")
	expectLine(t, r, "line\n")
	quick()
	select {
	case err := <-ended:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(bound):
		t.Fatal("a quick stop waits for a client")
	}
}

// An address on which nobody calls keeps no place from the others, and no
// client gets in before there is a place.
func TestTwoAddressesShareTheirPlaces(t *testing.T) {
	quiet, busy := listen(t), listen(t)
	startOn(t, 1, quiet, busy)
	for range 3 {
		conn, r := dial(t, busy.Addr().String())
		fmt.Fprint(conn, "one\n")
		expectLine(t, r, "one\n")
		next, nextLines := dial(t, busy.Addr().String())
		fmt.Fprint(next, "two\n")
		_ = next.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if line, err := nextLines.ReadString('\n'); err == nil {
			t.Errorf("%q came back although the only place was taken", line)
		}
		conn.Close()
		_ = next.SetReadDeadline(time.Now().Add(bound))
		expectLine(t, bufio.NewReader(next), "two\n")
		next.Close()
	}
}

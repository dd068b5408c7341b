//go:build linux

package http1loop_test

import (
	"net/netip"
	"runtime"
	"testing"

	"github.com/gonicorn/gonicorn/gateway/gatewaytest"
	"golang.org/x/sys/unix"
)

// What waits for its next request holds little: the heap may be twice as large as
// what is in use of it, and 10,000 such connections are to cost 2 KiB each.
func TestIdleConnectionsAreSmall(t *testing.T) {
	gatewaytest.OnEachLoop(t, testIdleConnectionsAreSmall)
}

func testIdleConnectionsAreSmall(t *testing.T, way gatewaytest.Way) {
	const connections, most = 1000, 1 << 10
	s := start(t, way, nil)
	dialIdle(t, s) // has what all share made
	before := heap()
	for range connections {
		dialIdle(t, s)
	}
	if each := (heap() - before) / connections; each > most {
		t.Errorf("an idle connection holds %d bytes of the heap, want at most %d", each, most)
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC() // what has a finalizer goes with the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// dialIdle leaves a connection open that has had one answer. The client is a bare
// socket, which takes nothing of the heap.
func dialIdle(t *testing.T, s *service) {
	t.Helper()
	to := netip.MustParseAddrPort(s.addr)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Connect(fd, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())}); err != nil {
		t.Fatal(err)
	}
	var answer [4 << 10]byte
	if _, err := unix.Write(fd, []byte("GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\nUser-Agent: idle\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if n, err := unix.Read(fd, answer[:]); err != nil || n == 0 {
		t.Fatalf("read %d bytes of an answer: %v", n, err)
	}
	<-s.direct
}

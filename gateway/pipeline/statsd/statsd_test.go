package statsd

import (
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func receive(t *testing.T, server net.PacketConn, want ...string) {
	t.Helper()
	var got []string
	buf := make([]byte, 4096)
	_ = server.SetReadDeadline(time.Now().Add(10 * time.Second))
	for len(want) > 0 {
		n, _, err := server.ReadFrom(buf)
		if err != nil {
			t.Fatalf("got %q, still want %q: %v", got, want, err)
		}
		if n > packet {
			t.Errorf("a datagram of %d bytes", n)
		}
		for line := range strings.SplitSeq(string(buf[:n]), "\n") {
			got = append(got, line)
			want = slices.DeleteFunc(want, func(w string) bool { return w == line })
		}
	}
}

func TestRequestsAndGauges(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	c, err := New(Options{
		Host: server.LocalAddr().String(), Prefix: "web.", Tags: []string{"env:test", "zone:a"},
		Gauges: func() map[string]int { return map[string]int{"gunicorn.workers": 3} },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Request(503, 1500*time.Microsecond)
	receive(t, server, "web.gunicorn.requests:1|c|#env:test,zone:a", "web.gunicorn.request.status.503:1|c|#env:test,zone:a",
		"web.gunicorn.request.duration:1.5|ms|#env:test,zone:a", "web.gunicorn.workers:3|g|#env:test,zone:a")
	for range 200 { // several datagrams, none too long
		c.Request(200, time.Millisecond)
	}
	receive(t, server, "web.gunicorn.request.status.200:1|c|#env:test,zone:a")
}

// A server on a unix socket may come later, and go.
func TestUnixServerComesLater(t *testing.T) {
	path := t.TempDir() + "/statsd.sock"
	c, err := New(Options{Host: "unix://" + path})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Request(200, time.Second) // lost
	server, err := net.ListenPacket("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	done := make(chan struct{})
	defer close(done)
	go func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				c.Request(204, 0)
			}
		}
	}()
	receive(t, server, "gunicorn.request.status.204:1|c")
}

func TestBadHost(t *testing.T) {
	if _, err := New(Options{Host: "localhost"}); err == nil {
		t.Error("no error")
	}
}

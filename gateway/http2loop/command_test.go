//go:build linux

package http2loop_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/dispatch"
	"github.com/gonicorn/gonicorn/gateway/gatewaytest"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/gateway/pipeline/forward"
	"github.com/gonicorn/gonicorn/gateway/proxy"
	"golang.org/x/net/http2"
)

// A client that takes a command's answer bit by bit gets that answer, and nothing of the
// answers that others get meanwhile.
func TestAnswersOfCommandsStayApart(t *testing.T) {
	for _, n := range []int{100, 3000, 30000} {
		t.Run(fmt.Sprintf("%d bytes", n), func(t *testing.T) {
			gatewaytest.OnEachLoop(t, func(t *testing.T, way gatewaytest.Way) { staysApart(t, way, n) })
		})
	}
}

func staysApart(t *testing.T, way gatewaytest.Way, n int) {
	l, err := loop.New()
	if err != nil {
		t.Fatal(err)
	}
	worker := gatewaytest.Command(t, func(path string) []byte { return bytes.Repeat([]byte(path[1:]), n) }) // /a is many a's
	b := proxy.New(proxy.Options{Loop: l, Pool: dispatch.New(100, testTimeout)})
	b.Update([]gateway.Worker{{PID: 1000, Network: worker.Network(), Address: worker.String(), Capacity: 16}})
	site := gatewaytest.New(t, l, b, forward.Options{})
	o := &site.Options
	o.HTTP2Cleartext, o.Streams, o.Window, o.Frame, o.HeaderList = true, 20, 65535, 16384, 65536
	site.Way = way
	_, addr := site.Listen(t, func() { b.Update(nil) })
	s := &service{addr: addr}
	slow := s.dial(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
	id := slow.send(true, ask("GET", "/a")...)
	slow.until(func(f http2.Frame) bool { _, is := f.(*http2.DataFrame); return is })
	for _, path := range []string{"/b", "/c"} {
		quick := s.dial(t)
		if said := quick.outcome(quick.send(true, ask("GET", path)...)); !strings.Contains(said, fmt.Sprintf(" %d: %s", n, path[1:])) {
			t.Fatalf("%s: %.100s", path, said)
		}
	}
	slow.do(slow.WriteWindowUpdate(id, uint32(n)))
	got := 10
	slow.until(func(f http2.Frame) bool {
		d, is := f.(*http2.DataFrame)
		if !is {
			return false
		}
		got += len(d.Data())
		if strings.Trim(string(d.Data()), "a") != "" {
			t.Fatalf("the client of /a gets %.50q", d.Data())
		}
		return d.StreamEnded()
	})
	if got != n {
		t.Errorf("the client gets %d bytes of %d", got, n)
	}
}

// until reads frames until done.
func (c *client) until(done func(http2.Frame) bool) {
	c.t.Helper()
	for {
		f, err := c.ReadFrame()
		if err != nil {
			c.t.Fatal(err)
		}
		if done(f) {
			return
		}
	}
}

//go:build linux

package e2e

import (
	"context"
	"testing"

	"github.com/coder/websocket"
)

// tryCommandSocket opens a WebSocket to the app of playWeb, and says the status of
// one that is refused.
func tryCommandSocket(t *testing.T, s *server) (c *websocket.Conn, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	c, resp, err := websocket.Dial(ctx, "ws://"+s.addr()+"/ws", &websocket.DialOptions{Subprotocols: []string{"echo"}})
	if err != nil {
		if resp == nil {
			t.Fatal(err)
		}
		return nil, resp.StatusCode
	}
	t.Cleanup(func() { c.CloseNow() })
	return c, 101
}

// echoes expects that a WebSocket works.
func echoes(t *testing.T, c *websocket.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	if err := c.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, p, err := c.Read(ctx); err != nil || string(p) != "hello" {
		t.Errorf("%q, %v", p, err)
	}
}

// WebSockets of commands take no request's place, and have a bound of their own.
func TestWebSocketsOfACommandHavePlacesOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := web(t, options{}, "-w", "1", "-k", "event-loop", "--worker-connections", "2", "--websocket-connections", "3",
		"--queue-timeout", "2s").ready()
	var open []*websocket.Conn
	for range 3 { // more than worker_connections
		c, status := tryCommandSocket(t, s)
		if status != 101 {
			t.Fatalf("socket %d of 3 is refused with %d: it takes a request's place", len(open)+1, status)
		}
		open = append(open, c)
	}
	mark := s.log.mark()
	first, second := asking(s.addr(), "/slow?ms=300"), asking(s.addr(), "/slow?ms=300") // both places at once
	s.expectFrom(mark, `slow began`)
	for _, c := range []<-chan outcome{first, second} {
		if o := <-c; o.err != nil || o.status != 200 {
			t.Errorf("a plain request beside sockets: %s", o)
		}
	}
	if _, status := tryCommandSocket(t, s); status != 503 {
		t.Errorf("the fourth socket of three: %d, want 503", status)
	}
	for _, c := range open {
		echoes(t, c)
	}
	if err := open[0].Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Fatal(err)
	}
	eventually(t, "its place is free", func() bool {
		c, status := tryCommandSocket(t, s)
		if status == 101 {
			echoes(t, c)
		}
		return status == 101
	})
	s.stop()
}

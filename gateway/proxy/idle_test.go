package proxy

import (
	"bufio"
	"net"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/internal/scoreboard"
)

// pooling is a worker that says when its idle connection was closed.
func pooling(t *testing.T, fields string) (net.Addr, chan struct{}) {
	closed := make(chan struct{}, 10)
	return serveConn(t, func(_ int, c net.Conn, in *bufio.Reader) {
		for {
			if _, _, ok := readRequest(in); !ok {
				closed <- struct{}{}
				return
			}
			say(c, "HTTP/1.1 200 OK\r\n"+fields+"Content-Length: 2\r\n\r\nok")
		}
	}), closed
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	for name, end := range map[string]func(s *setup){
		"after a while": func(*setup) {},
		"when draining": func(s *setup) {
			s.workers[0].Draining = true
			s.Update(s.workers)
		},
		"when reaped": func(s *setup) { s.Update(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{IdleTimeout: time.Hour}
			if name == "after a while" {
				o.IdleTimeout = time.Millisecond
			}
			a, closed := pooling(t, "")
			s := newSetup(t, o, a)
			s.want(t, request("GET", "/"), 200, "ok")
			end(s)
			within(t, "the worker sees it", closed)
		})
	}
}

func TestNoMoreIdleConnectionsThanAllowed(t *testing.T) {
	a, closed := pooling(t, "")
	s := newSetup(t, Options{IdleConns: 1}, a)
	w := (*s.Backend.workers.Load())[0]
	for range 2 {
		c, err := w.dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer w.put(c, scoreboard.Now())
	}
	t.Cleanup(func() { within(t, "one is closed", closed) })
}

// A connection is not used in the last moment of what the worker has promised.
func TestPromisedTimeIsKept(t *testing.T) {
	a, closed := pooling(t, "Keep-Alive: timeout=1\r\n")
	s := newSetup(t, Options{}, a)
	s.want(t, request("GET", "/"), 200, "ok")
	w := (*s.Backend.workers.Load())[0]
	used := false
	if s.looped {
		s.Loop.Do(func() { used = w.links.take(time.Now().Add(600*time.Millisecond)) != nil })
	} else {
		used = w.take(scoreboard.Now()+int64(600*time.Millisecond)) != nil
	}
	if used {
		t.Error("it would be used")
	}
	within(t, "the worker sees it", closed)
}

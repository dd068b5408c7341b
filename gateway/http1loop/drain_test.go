package http1loop_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway/gatewaytest"
)

// held is a client's socket. What is written to it waits from the second time on until
// free is closed. free may be nil.
type held struct {
	net.Conn
	writes int
	second chan struct{} // closed when the second write waits
	free   chan struct{}
}

func (h *held) Write(p []byte) (int, error) {
	if h.writes++; h.writes == 2 {
		close(h.second)
		<-h.free
	}
	return h.Conn.Write(p)
}

// drain drains in the background, and returns once nobody can connect any more.
func (s *service) drain(t *testing.T) (done chan struct{}) {
	t.Helper()
	done = make(chan struct{})
	go func() { defer close(done); s.front.Drain(context.Background()) }()
	for late := time.Now().Add(testTimeout); time.Now().Before(late); time.Sleep(time.Millisecond) {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			return done
		}
		c.Close()
	}
	t.Fatal("the port stays open")
	return nil
}

// lastAnswer asks for something, and wants an answer that says that it is the last.
func lastAnswer(t *testing.T, c net.Conn) {
	t.Helper()
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a"+end); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 200 || !resp.Close {
		t.Errorf("status %d, the last one: %v", resp.StatusCode, resp.Close)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Error(err)
	}
	if n, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("behind the last answer: %d bytes, %v", n, err)
	}
	c.Close()
}

// A client that is in its TLS handshake when the server begins to drain is served.
func TestDrainWaitsForHandshakes(t *testing.T) {
	gatewaytest.OnEachLoop(t, testDrainWaitsForHandshakes)
}

func testDrainWaitsForHandshakes(t *testing.T, way gatewaytest.Way) {
	for name, way := range map[string]gatewaytest.Way{"loop": way, "other loop": gatewaytest.OnOtherLoop, "goroutines": gatewaytest.InGoroutines} {
		t.Run(name, func(t *testing.T) {
			s := startSecure(t, way, nil)
			raw, err := net.Dial("tcp", s.addr)
			if err != nil {
				t.Fatal(err)
			}
			_ = raw.SetDeadline(time.Now().Add(testTimeout))
			h := &held{Conn: raw, second: make(chan struct{}), free: make(chan struct{})}
			c := tls.Client(h, s.tls)
			defer c.Close()
			shaken := make(chan error, 1)
			go func() { shaken <- c.Handshake() }()
			<-h.second // the server has begun with it
			done := s.drain(t)
			close(h.free)
			if err := <-shaken; err != nil {
				t.Fatal(err)
			}
			select {
			case <-done:
				t.Fatal("Drain does not wait for the client's request: the process would end")
			case <-time.After(100 * time.Millisecond):
			}
			lastAnswer(t, c)
			<-done
		})
	}
}

// A client that has connected just before has some time to send its first request:
// no other attempt follows if that fails.
func TestDrainWaitsForTheFirstRequest(t *testing.T) {
	gatewaytest.OnEachLoop(t, testDrainWaitsForTheFirstRequest)
}

func testDrainWaitsForTheFirstRequest(t *testing.T, way gatewaytest.Way) {
	for name, start := range map[string]func(*testing.T) *service{
		"plain, loop":       func(t *testing.T) *service { return start(t, way, nil) },
		"plain, goroutines": func(t *testing.T) *service { return start(t, gatewaytest.InGoroutines, nil) },
		"TLS, loop":         func(t *testing.T) *service { return startSecure(t, way, nil) },
		"TLS, goroutines":   func(t *testing.T) *service { return startSecure(t, gatewaytest.InGoroutines, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			kept, fresh := s.dial(t), s.dial(t)
			defer kept.Close()
			defer fresh.Close()
			if secure, is := fresh.(*tls.Conn); is {
				if err := secure.Handshake(); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := io.WriteString(kept, "GET / HTTP/1.1\r\nHost: a"+end); err != nil {
				t.Fatal(err)
			}
			if _, err := http.ReadResponse(bufio.NewReader(kept), nil); err != nil {
				t.Fatal(err)
			}
			done := s.drain(t)
			_, _ = io.Copy(io.Discard, kept) // a connection that has served, and is idle, ends soon
			select {
			case <-done:
				t.Fatal("Drain does not wait for the first request")
			default:
			}
			lastAnswer(t, fresh)
			<-done
		})
	}
}

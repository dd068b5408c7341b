//go:build linux

package e2e

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// WebSockets are the same on whatever way a client comes: on the event loop over
// TLS, or on a connection that goroutines serve.
func TestWebSocketOnEveryWay(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	cert, key := a.issue("one", "one.example", time.Now().Add(time.Hour))
	for _, way := range []struct {
		name, scheme string
		args         []string
		tls          *tls.Config
		first        string // what a client sends first
	}{
		{name: "plain", scheme: "ws"},
		{name: "several loops", scheme: "ws", args: []string{"--gateway-loops", "3"}},
		{name: "TLS", scheme: "wss", args: []string{"--certfile", cert, "--keyfile", key}, tls: &tls.Config{RootCAs: a.Pool, ServerName: "one.example"}},
		{name: "PROXY protocol", scheme: "ws", args: []string{"--proxy-protocol", "v1"}, first: "PROXY TCP4 192.0.2.1 192.0.2.2 1000 80\r\n"},
	} {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			s := python(t, "sockets:app", append([]string{"-k", "event-loop"}, way.args...)...).ready()
			addr := s.addr
			if way.tls != nil {
				addr = func() string { return tlsAddr(s) }
			}
			client := &http.Client{Transport: &http.Transport{TLSClientConfig: way.tls, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				c, err := new(net.Dialer).DialContext(ctx, network, addr)
				if err == nil {
					_, err = io.WriteString(c, way.first)
				}
				return c, err
			}}}
			open := func(path string) (*websocket.Conn, context.Context) {
				t.Helper()
				ctx, cancel := context.WithTimeout(t.Context(), bound)
				t.Cleanup(cancel)
				c, _, err := websocket.Dial(ctx, way.scheme+"://"+addr()+path, &websocket.DialOptions{HTTPClient: client})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { c.CloseNow() })
				c.SetReadLimit(-1)
				return c, ctx
			}
			c, ctx := open("/echo")
			twice(ctx, t, c, 10)
			twice(ctx, t, c, 3<<20)
			if err := c.Close(websocket.StatusNormalClosure, "enough"); err != nil {
				t.Errorf("close: %v", err)
			}
			gone, ctx := open("/only")
			if _, _, err := gone.Read(ctx); err != nil {
				t.Fatal(err)
			}
			mark := s.log.mark()
			gone.CloseNow()
			s.expectFrom(mark, "send raises ClientGone")
			told, ctx := open("/told")
			s.expect("told began")
			mark = s.log.mark()
			s.signal(syscall.SIGTERM)
			if _, _, err := told.Read(ctx); websocket.CloseStatus(err) != websocket.StatusServiceRestart {
				t.Errorf("the client got %v", err)
			}
			s.expectFrom(mark, "told 1012")
			s.wait()
		})
	}
}

// A WebSocket whose app is killed says so, and the others go on.
func TestWebSocketOfADeadWorker(t *testing.T) {
	t.Parallel()
	eachClass(t, func(t *testing.T, s *server, class string) {
		c, ctx := openSocket(t, s, "/told")
		pid := number(s.expect(`told began .*pid=(\d+)`)[1], `(\d+)`)
		mark := s.log.mark()
		if err := syscall.Kill(int(pid), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Read(ctx); websocket.CloseStatus(err) != websocket.StatusInternalError {
			t.Errorf("the client got %v", err)
		}
		s.expectFrom(mark, "a worker failed a request .*GON044.*ended with the request in flight")
		other, ctx := openSocket(t, s, "/echo")
		twice(ctx, t, other, 1000)
	})
}

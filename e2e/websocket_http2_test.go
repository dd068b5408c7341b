//go:build linux

//lint:file-ignore SA1019 net/http's own transport does not send :protocol.

package e2e

import (
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // RFC 6455 asks for it
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/net/http2"
)

// streamed has a client of WebSockets speak HTTP/2: what it asks for as an upgrade
// becomes an extended CONNECT (RFC 8441), and its answer a 101.
type streamed struct{ over *http2.Transport }

// newStreamed speaks HTTP/2 over TLS where there is a configuration for it.
func newStreamed(t testing.TB, config *tls.Config) *http.Client {
	over := &http2.Transport{AllowHTTP: true, TLSClientConfig: config}
	if config == nil {
		over.DialTLSContext = func(ctx context.Context, network, addr string, _ *tls.Config) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, addr)
		}
	}
	t.Cleanup(over.CloseIdleConnections)
	return &http.Client{Transport: streamed{over}}
}

// RoundTrip implements http.RoundTripper.
func (s streamed) RoundTrip(q *http.Request) (*http.Response, error) {
	in, out := io.Pipe()
	connect := q.Clone(q.Context())
	connect.Method, connect.Body, connect.ContentLength = "CONNECT", in, -1
	key := connect.Header.Get("Sec-Websocket-Key")
	for _, name := range []string{"Connection", "Upgrade", "Sec-Websocket-Key"} {
		connect.Header.Del(name)
	}
	connect.Header[":protocol"] = []string{"websocket"}
	resp, err := s.over.RoundTrip(connect)
	if err != nil || resp.StatusCode != 200 {
		return resp, err
	}
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // as above
	resp.StatusCode = 101
	resp.Header.Set("Connection", "Upgrade")
	resp.Header.Set("Upgrade", "websocket")
	resp.Header.Set("Sec-Websocket-Accept", base64.StdEncoding.EncodeToString(sum[:]))
	resp.Body = &stream{resp.Body, out}
	return resp, nil
}

// stream is both directions of one.
type stream struct {
	io.ReadCloser
	out *io.PipeWriter
}

func (s *stream) Write(p []byte) (int, error) { return s.out.Write(p) }

func (s *stream) Close() error { return errors.Join(s.out.Close(), s.ReadCloser.Close()) }

// dialStream opens a WebSocket over HTTP/2.
func dialStream(t *testing.T, client *http.Client, url string, protocols ...string) (*websocket.Conn, context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	t.Cleanup(cancel)
	c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: client, Subprotocols: protocols})
	if err != nil {
		t.Fatalf("dial %s: %v", url, err)
	}
	t.Cleanup(func() { c.CloseNow() })
	c.SetReadLimit(-1)
	return c, ctx
}

// twice expects that messages go both ways, short ones and a long one.
func twice(ctx context.Context, t *testing.T, c *websocket.Conn, long int) {
	t.Helper()
	for _, n := range []int{1, 100, long, 2} {
		message := bytes.Repeat([]byte("x"), n)
		if err := c.Write(ctx, websocket.MessageBinary, message); err != nil {
			t.Fatal(err)
		}
		if _, p, err := c.Read(ctx); err != nil || !bytes.Equal(p, message) {
			t.Fatalf("echo of %d bytes: %d and %v", n, len(p), err)
		}
	}
}

// Apps have WebSockets over HTTP/2 in every class, and requests beside them on
// the same connection.
func TestWebSocketOverHTTP2(t *testing.T) {
	t.Parallel()
	eachClass(t, func(t *testing.T, s *server, class string) {
		client := newStreamed(t, nil)
		c, ctx := dialStream(t, client, "ws://"+s.addr()+"/echo")
		twice(ctx, t, c, 3<<20) // which needs many windows
		if class != "sync" {    // whose workers have one request each
			other, ctx := dialStream(t, client, "ws://"+s.addr()+"/echo")
			twice(ctx, t, other, 1000)
			if err := other.Close(websocket.StatusNormalClosure, "enough"); err != nil {
				t.Errorf("close: %v", err)
			}
		}
		twice(ctx, t, c, 100_000)
		s.signal(syscall.SIGTERM)
		if _, _, err := c.Read(ctx); websocket.CloseStatus(err) != websocket.StatusServiceRestart {
			t.Errorf("the end of the server: %v", err)
		}
		s.wait()
	}, "--http2-cleartext")
}

// The same over TLS.
func TestWebSocketOverHTTP2AndTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	cert, key := a.issue("one", "one.example", time.Now().Add(time.Hour))
	s := python(t, "sockets:app", "--certfile", cert, "--keyfile", key, "--http-protocols", "h2").ready()
	c, ctx := dialStream(t, newStreamed(t, &tls.Config{RootCAs: a.Pool, ServerName: "one.example"}), "wss://"+tlsAddr(s)+"/echo")
	twice(ctx, t, c, 1<<20)
	if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Errorf("close: %v", err)
	}
	s.stop()
}

// A client that resets its stream is one that has left.
func TestWebSocketStreamReset(t *testing.T) {
	t.Parallel()
	s := python(t, "sockets:app", "--http2-cleartext").ready()
	client := newStreamed(t, nil)
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		c, _, err := websocket.Dial(ctx, "ws://"+s.addr()+"/echo", &websocket.DialOptions{HTTPClient: client})
		if err != nil {
			t.Fatal(err)
		}
		mark := s.log.mark()
		cancel()
		c.CloseNow()
		s.expectFrom(mark, "echo ended 1006")
	}
}

// Commands get an upgrade as over HTTP/1.
func TestWebSocketOverHTTP2OfCommand(t *testing.T) {
	t.Parallel()
	s := web(t, options{}, "-k", "event-loop", "--http2-cleartext").ready()
	client := newStreamed(t, nil)
	c, ctx := dialStream(t, client, "ws://"+s.addr()+"/ws", "echo")
	if c.Subprotocol() != "echo" {
		t.Errorf("subprotocol %q", c.Subprotocol())
	}
	twice(ctx, t, c, 30_000)
	if resp, err := h2c().RoundTrip(newRequest(t, "http://"+s.addr()+"/")); err != nil || resp.StatusCode != 200 {
		t.Errorf("a request beside it: %v and %v", resp, err)
	} else {
		resp.Body.Close()
	}
	if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Errorf("close: %v", err)
	}
	s.stop()
}

func newRequest(t *testing.T, url string) *http.Request {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// WSGI has none, and says so.
func TestWebSocketOverHTTP2OfWSGI(t *testing.T) {
	t.Parallel()
	s := python(t, "answers:wsgi", "--http2-cleartext").ready()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, resp, err := websocket.Dial(ctx, "ws://"+s.addr()+"/", &websocket.DialOptions{HTTPClient: newStreamed(t, nil)})
	if err == nil || resp == nil || resp.StatusCode != 501 {
		t.Errorf("got %v and %v", resp, err)
	}
	s.stop()
}

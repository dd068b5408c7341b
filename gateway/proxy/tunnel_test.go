package proxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/gonicorn/gonicorn/gateway"
)

// pair is a connection over loopback, of which both ends are known.
func pair(t *testing.T) (a, b *net.TCPConn) {
	t.Helper()
	l := listenAt(t, "tcp")
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	d, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); d.Close() })
	return c.(*net.TCPConn), d.(*net.TCPConn)
}

func upgradeRequest(protocol string) *gateway.Request {
	r := request("GET", "/")
	r.Upgrade = protocol
	return r
}

// tunnelled starts a request whose client is the returned connection.
func (s *setup) tunnelled(t *testing.T, ctx context.Context, r *gateway.Request) (client *net.TCPConn, w *recorder, done chan error) {
	client, front := pair(t)
	w, done = &recorder{conn: front}, make(chan error, 1)
	go func() { done <- s.Serve(ctx, r, w) }()
	return client, w, done
}

func switching(t *testing.T, protocol string, then func(c net.Conn, in *bufio.Reader)) net.Addr {
	return serveConn(t, func(_ int, c net.Conn, in *bufio.Reader) {
		if _, _, ok := readRequest(in); ok {
			say(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+protocol+"\r\n\r\nfirst")
			then(c, in)
		}
	})
}

func TestTunnelEndsByHalves(t *testing.T) {
	s := newSetup(t, Options{}, switching(t, "Echo", func(c net.Conn, in *bufio.Reader) {
		p, _ := io.ReadAll(in)
		_, _ = c.Write(bytes.ToUpper(p))
	}))
	client, w, done := s.tunnelled(t, t.Context(), upgradeRequest("echo"))
	say(client, "hello")
	_ = client.CloseWrite()
	got, err := io.ReadAll(client)
	if err != nil || string(got) != "firstHELLO" {
		t.Errorf("got %q, %v", got, err)
	}
	if err := within(t, "Serve returns", done); err != nil || w.status != 101 {
		t.Errorf("status %d, %v", w.status, err)
	}
}

func TestTunnelEndsWithTheContext(t *testing.T) {
	ended := make(chan struct{})
	s := newSetup(t, Options{}, switching(t, "echo", func(_ net.Conn, in *bufio.Reader) {
		_, _ = io.Copy(io.Discard, in)
		close(ended)
	}))
	ctx, cancel := context.WithCancelCause(t.Context())
	client, _, done := s.tunnelled(t, ctx, upgradeRequest("echo"))
	_, _ = io.ReadFull(client, make([]byte, 5))
	if n := s.Pool.InFlight(0); n != 1 {
		t.Errorf("%d in flight", n)
	}
	cancel(gateway.ErrTimeout)
	within(t, "the worker hears of it", ended)
	if err := within(t, "Serve returns", done); !errors.Is(err, gateway.ErrTimeout) {
		t.Error(err)
	}
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Error("the client was not told")
	}
}

func TestDrainingCutsOtherTunnelsInTime(t *testing.T) {
	s := newSetup(t, Options{DrainTimeout: 10 * time.Millisecond}, switching(t, "echo", func(_ net.Conn, in *bufio.Reader) {
		_, _ = io.Copy(io.Discard, in)
	}))
	client, _, done := s.tunnelled(t, t.Context(), upgradeRequest("echo"))
	_, _ = io.ReadFull(client, make([]byte, 5))
	s.workers[0].Draining = true
	s.Update(s.workers)
	if err := within(t, "Serve returns", done); err != nil {
		t.Error(err)
	}
}

func TestRefusedUpgradeIsAnOrdinaryAnswer(t *testing.T) {
	s := newSetup(t, Options{}, serveHTTP(t, "tcp", app()))
	r := upgradeRequest("websocket")
	r.Target = "/hello"
	s.want(t, r, 200, "hello")
	r = inline("POST", "/echo", "GET /evil HTTP/1.1\r\n\r\n") // a body hides no request
	r.Upgrade = "websocket"
	s.want(t, r, 200, "GET /evil HTTP/1.1\r\n\r\n")
}

func TestOtherProtocolThanAskedFor(t *testing.T) {
	s := newSetup(t, Options{}, switching(t, "h2c", func(_ net.Conn, in *bufio.Reader) { _, _ = in.ReadByte() }))
	_, _, done := s.tunnelled(t, t.Context(), upgradeRequest("websocket"))
	var failed *gateway.WorkerError
	if err := within(t, "Serve returns", done); !errors.As(err, &failed) || failed.Died {
		t.Errorf("got %#v", err)
	}
}

func TestConnect(t *testing.T) {
	s := newSetup(t, Options{}, serveConn(t, func(_ int, c net.Conn, in *bufio.Reader) {
		line, _ := in.ReadString('\n')
		for l := ""; l != "\r\n"; {
			l, _ = in.ReadString('\n')
		}
		say(c, "HTTP/1.1 200 Connected\r\n\r\n"+line)
	}))
	r := request("CONNECT", "example.org:443")
	client, w, done := s.tunnelled(t, t.Context(), r)
	got, _ := io.ReadAll(client)
	client.Close()
	if err := within(t, "Serve returns", done); err != nil || w.status != 200 || string(got) != "CONNECT example.org:443 HTTP/1.1\r\n" {
		t.Errorf("status %d, %q, %v", w.status, got, err)
	}
}

// socketServer speaks WebSocket: it echoes, and reports how each has ended.
func socketServer(t *testing.T, ended chan error) net.Addr {
	return serveHTTP(t, "tcp", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			ended <- err
			return
		}
		defer ws.CloseNow()
		for {
			kind, p, err := ws.Read(context.Background())
			if err == nil {
				err = ws.Write(context.Background(), kind, p)
			}
			if err != nil {
				ended <- err
				return
			}
		}
	}))
}

// frontOf is as much of a front as a WebSocket's client needs.
func frontOf(t *testing.T, s *setup, done chan error) string {
	addr := serveHTTP(t, "tcp", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req := upgradeRequest("websocket")
		for name, values := range r.Header {
			req.Header = append(req.Header, gateway.Field{Name: name, Value: values[0]})
		}
		done <- s.Serve(context.WithoutCancel(r.Context()), req, &hijacker{w: w})
	}))
	return "ws://" + addr.String()
}

type hijacker struct {
	recorder
	w http.ResponseWriter
}

func (h *hijacker) Upgrade(status int, fields []gateway.Field) (net.Conn, error) {
	conn, buf, err := http.NewResponseController(h.w).Hijack()
	if err != nil {
		return nil, err
	}
	head := "HTTP/1.1 101 Switching Protocols\r\n"
	for _, f := range fields {
		head += f.Name + ": " + f.Value + "\r\n"
	}
	_, err = buf.WriteString(head + "\r\n")
	return conn, errors.Join(err, buf.Flush())
}

func TestWebSocket(t *testing.T) {
	for _, draining := range []bool{false, true} {
		t.Run(map[bool]string{false: "closed by the client", true: "draining"}[draining], func(t *testing.T) {
			ended, done := make(chan error, 1), make(chan error, 1)
			s := newSetup(t, Options{DrainTimeout: bound}, socketServer(t, ended))
			url := frontOf(t, s, done)
			ctx, cancel := context.WithTimeout(t.Context(), bound)
			defer cancel()
			ws, _, err := websocket.Dial(ctx, url, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer ws.CloseNow()
			for _, n := range []int{0, 1, 125, 126, 30_000} {
				msg := bytes.Repeat([]byte("x"), n)
				if err := ws.Write(ctx, websocket.MessageBinary, msg); err != nil {
					t.Fatal(err)
				}
				if _, got, err := ws.Read(ctx); err != nil || !bytes.Equal(got, msg) {
					t.Fatalf("%d bytes: %v", n, err)
				}
			}
			want := websocket.StatusNormalClosure
			if draining {
				want = websocket.StatusServiceRestart
				s.workers[0].Draining = true
				s.Update(s.workers)
				if _, _, err := ws.Read(ctx); websocket.CloseStatus(err) != want {
					t.Errorf("the client got %v", err)
				}
			} else if err := ws.Close(want, "done"); err != nil {
				t.Error(err)
			}
			// A draining worker gets the gateway's goodbye, or the client's answer to its own.
			if err := within(t, "the worker is told", ended); websocket.CloseStatus(err) != want &&
				!(draining && websocket.CloseStatus(err) == websocket.StatusGoingAway) {
				t.Errorf("the worker got %v", err)
			}
			if err := within(t, "Serve returns", done); err != nil {
				t.Error(err)
			}
		})
	}
}

// An extended CONNECT of HTTP/2 (RFC 8441) has no key; the worker's HTTP/1.1
// needs one.
func TestExtendedConnect(t *testing.T) {
	ended := make(chan error, 1)
	s := newSetup(t, Options{}, socketServer(t, ended))
	r := request("CONNECT", "/")
	r.Upgrade = "websocket"
	r.Header = append(r.Header, gateway.Field{Name: "sec-websocket-version", Value: "13"})
	r.Body = gateway.Body{Length: -1, Stream: brokenBody{io.EOF}}
	client, w, done := s.tunnelled(t, t.Context(), r)
	say(client, "\x81\x82\x00\x00\x00\x00hi")
	var got [4]byte
	if _, err := io.ReadFull(client, got[:]); err != nil || string(got[:]) != "\x81\x02hi" {
		t.Errorf("got %q, %v", got, err)
	}
	client.Close()
	within(t, "the worker is told", ended)
	if err := within(t, "Serve returns", done); err != nil || w.status != 200 || w.get("sec-websocket-accept") != "" {
		t.Errorf("status %d, %v", w.status, err)
	}
}

//go:build linux

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// sockDialogue is a dialogue of WebSockets with the app of flask-sock at addr; what
// happened is its result, for two servers to be compared.
func sockDialogue(t *testing.T, addr string, ours bool) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	var said strings.Builder
	dial := func(path string) *websocket.Conn {
		c, _, err := websocket.Dial(ctx, "ws://"+addr+path, nil)
		if err != nil {
			t.Fatalf("dial %s: %v", path, err)
		}
		t.Cleanup(func() { c.CloseNow() })
		c.SetReadLimit(-1)
		return c
	}
	read := func(c *websocket.Conn) {
		kind, got, err := c.Read(ctx)
		if len(got) > 40 {
			got = append(got[:40:40], fmt.Sprintf("... %d", len(got))...)
		}
		fmt.Fprintf(&said, "%v %q %v\n", kind, got, websocket.CloseStatus(err))
	}
	echo := dial("/echo")
	for _, message := range [][]byte{[]byte("hello"), bytes.Repeat([]byte("long "), 100_000), nil} {
		if err := echo.Write(ctx, websocket.MessageText, message); err != nil {
			t.Fatal(err)
		}
		read(echo)
	}
	if err := echo.Write(ctx, websocket.MessageBinary, []byte{0, 1, 2}); err != nil {
		t.Fatal(err)
	}
	read(echo)
	// simple-websocket answers in another thread than the view's, and gunicorn may
	// have closed the socket by then.
	if err := echo.Close(websocket.StatusNormalClosure, "enough"); err != nil && ours {
		t.Errorf("close: %v", err)
	}
	bye := dial("/bye")
	read(bye)
	read(bye)
	many := dial("/many")
	for range 201 {
		read(many)
	}
	failed := dial("/fails")
	read(failed)
	for _, path := range []string{"/plain", "/nothing", "/echo"} { // a handshake that is answered with something else
		req, err := http.NewRequestWithContext(ctx, "GET", "http://"+addr+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
			req.Header.Set(name, value)
		}
		if path == "/echo" {
			req.Header.Set("Sec-WebSocket-Version", "12")
		}
		resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
		if err != nil {
			fmt.Fprintf(&said, "%s: no answer\n", path)
			continue
		}
		resp.Body.Close()
		fmt.Fprintf(&said, "%s: %d\n", path, resp.StatusCode)
	}
	return said.String()
}

// P6: a WSGI app gets the client's socket with the handshake of a WebSocket, in
// every class, and flask-sock says the same there as under gunicorn.
func TestGunicornSocket(t *testing.T) {
	t.Parallel()
	at := freePort(t)
	startRival(t, appFolder(t), nil, "gunicorn", "sock_app:app", "-k", "gthread", "--threads", "8", "-b", at).answers(at, "/")
	want := sockDialogue(t, at, false)
	for _, class := range []string{"gthread --threads 8", "sync -w 2", "event-loop", "gevent"} {
		t.Run(class, func(t *testing.T) {
			t.Parallel()
			s := python(t, "sock_app:app", append([]string{"--access-logfile", "-", "-k"}, strings.Fields(class)...)...).ready()
			if got := sockDialogue(t, s.addr(), true); got != want {
				t.Errorf("got:\n%s\nunder gunicorn:\n%s", got, want)
			}
			if _, body := get(t, s.addr(), "/"); body != "none" {
				t.Errorf("a request that is not a handshake has a %s", body)
			}
			s.expect(`"GET /echo HTTP/1.1" 101 `)
			w := startWatch()
			s.stop()
			w.expectAtMost(t, 10*time.Second, "stopping")
			if text := s.log.text(); strings.Contains(text, "StopIteration") || strings.Contains(text, "malformed") {
				t.Error("the end of a WebSocket was logged as a fault")
			}
		})
	}
}

// A worker that leaves has its WebSockets closed with 1012, and its app told;
// nothing waits for them.
func TestGunicornSocketEndsWithItsWorker(t *testing.T) {
	t.Parallel()
	for _, class := range []string{"gthread --threads 4", "gevent"} {
		for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP} {
			t.Run(class+" "+signal.String(), func(t *testing.T) {
				t.Parallel()
				s := python(t, "sock_app:app", append([]string{"-k"}, strings.Fields(class)...)...).ready()
				c, ctx := openSocket(t, s, "/echo")
				if err := c.Write(ctx, websocket.MessageText, []byte("hi")); err != nil {
					t.Fatal(err)
				}
				if _, _, err := c.Read(ctx); err != nil {
					t.Fatal(err)
				}
				mark, w := s.log.mark(), startWatch()
				s.signal(signal)
				if _, _, err := c.Read(ctx); websocket.CloseStatus(err) != websocket.StatusServiceRestart {
					t.Errorf("the client got %v", err)
				}
				s.expectFrom(mark, `worker gone .*why=|worker=1 .*gone|worker gone`)
				if signal == syscall.SIGTERM {
					if code := s.wait(); code != 0 {
						t.Errorf("exit code %d", code)
					}
				} else {
					s.stop()
				}
				w.expectAtMost(t, promptly, "the end")
			})
		}
	}
}

// A client that goes away ends its socket, and what an app writes that is no
// answer harms nobody.
func TestGunicornSocketClientGone(t *testing.T) {
	t.Parallel()
	s := python(t, "sock_app:app", "-k", "gthread", "--threads", "1", "-w", "1").ready()
	for range 3 { // with one thread, each has to give it back
		c, ctx := openSocket(t, s, "/echo")
		if err := c.Write(ctx, websocket.MessageText, []byte("hi")); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Read(ctx); err != nil {
			t.Fatal(err)
		}
		c.CloseNow()
	}
	conn, err := net.Dial("tcp", s.addr()) // gone before the app has answered
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("GET /echo HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if status, body := get(t, s.addr(), "/"); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	s.stop()
}

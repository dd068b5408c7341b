//go:build linux

package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// eachClass runs a test on the app of WebSockets in every class of worker.
func eachClass(t *testing.T, test func(t *testing.T, s *server, class string), args ...string) {
	t.Helper()
	for _, class := range []string{"event-loop", "threaded", "sync"} {
		t.Run(class, func(t *testing.T) {
			t.Parallel()
			own := []string{"-k", class, "-w", "2"}
			if class == "threaded" {
				own = append(own, "--threads", "4")
			}
			test(t, python(t, "sockets:app", append(own, args...)...).ready(), class)
		})
	}
}

// open opens a WebSocket without compression.
func openSocket(t testing.TB, s *server, path string) (*websocket.Conn, context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	t.Cleanup(cancel)
	c, _, err := websocket.Dial(ctx, "ws://"+s.addr()+path, &websocket.DialOptions{CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		t.Fatalf("dial %s: %v", path, err)
	}
	t.Cleanup(func() { c.CloseNow() })
	c.SetReadLimit(-1)
	return c, ctx
}

// Y1: messages of up to websocket_max_message_size go both ways; one byte more
// from the client is refused with 1009.
func TestWebSocketLongMessages(t *testing.T) {
	t.Parallel()
	const most = 16 << 20
	eachClass(t, func(t *testing.T, s *server, class string) {
		for _, n := range []int{500_000, 1 << 20, 4 << 20, most} {
			c, ctx := openSocket(t, s, fmt.Sprintf("/long?size=%d", n))
			_, got, err := c.Read(ctx)
			if want := bytes.Repeat([]byte("0123456789abcdef"), n/16+1)[:n]; err != nil || sha256.Sum256(got) != sha256.Sum256(want) {
				t.Fatalf("%d bytes from the app: %d, %v", n, len(got), err)
			}
			c.CloseNow()
		}
		c, ctx := openSocket(t, s, "/echo")
		for _, kind := range []websocket.MessageType{websocket.MessageText, websocket.MessageBinary} {
			want := bytes.Repeat([]byte("fünfzehn Bytes!"), most/16)
			want = append(want, bytes.Repeat([]byte("."), most-len(want))...)
			if err := c.Write(ctx, kind, want); err != nil {
				t.Fatal(err)
			}
			if got, p, err := c.Read(ctx); err != nil || got != kind || !bytes.Equal(p, want) {
				t.Fatalf("echo of 16 MiB: %v, %d bytes, %v", got, len(p), err)
			}
		}
		_ = c.Write(ctx, websocket.MessageBinary, make([]byte, most+1)) // it may be closed before it is out
		if _, _, err := c.Read(ctx); websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
			t.Errorf("one byte too many: %v", err)
		}
	})
}

// Y2: tasks that send on one WebSocket at the same time all get their turn, and
// no message is mixed with another.
func TestWebSocketConcurrentSenders(t *testing.T) {
	t.Parallel()
	eachClass(t, func(t *testing.T, s *server, class string) {
		for _, size := range []int{10, 200_000} {
			const tasks, each = 8, 6
			c, ctx := openSocket(t, s, fmt.Sprintf("/gather?tasks=%d&each=%d&size=%d", tasks, each, size))
			next := map[string]int{}
			for range tasks * each {
				_, p, err := c.Read(ctx)
				if err != nil {
					t.Fatalf("size %d: %v after %v", size, err, next)
				}
				who, rest, _ := strings.Cut(string(p), ":")
				i, text, _ := strings.Cut(rest, ":")
				if i != fmt.Sprint(next[who]) || len(text) != size || strings.Trim(text, string('a'+who[0]-'0')) != "" {
					t.Fatalf("message %s of %s has %d bytes", i, who, len(text))
				}
				if next[who]++; size > 1000 && next[who] > 1+len(p)/size+min(next["0"], next["7"])+2 {
					t.Errorf("%s is far ahead: %v", who, next)
				}
			}
			if _, _, err := c.Read(ctx); websocket.CloseStatus(err) != 4000 {
				t.Errorf("at the end: %v", err)
			}
		}
		_, body := fetch(t, "GET", "http://"+s.addr()+"/streams?tasks=6&each=4&size=150000", nil)
		lines := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
		if len(lines) != 24 {
			t.Fatalf("%d lines of a response that 6 tasks sent", len(lines))
		}
		for _, line := range lines {
			if len(line) != 150_000 || strings.Trim(line, line[:1]) != "" {
				t.Fatalf("a part of %d bytes is mixed with another", len(line))
			}
		}
	})
}

// A sender that is cancelled in the middle of a message leaves the WebSocket
// whole.
func TestWebSocketCancelledSender(t *testing.T) {
	t.Parallel()
	eachClass(t, func(t *testing.T, s *server, class string) {
		const n = 4 << 20
		c, ctx := openSocket(t, s, fmt.Sprintf("/cancelled?size=%d", n))
		kind, r, err := c.Reader(ctx)
		if err != nil || kind != websocket.MessageBinary {
			t.Fatal(kind, err)
		}
		var buf bytes.Buffer
		if _, err := r.Read(make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		if err := c.Write(ctx, websocket.MessageText, []byte("go on")); err != nil {
			t.Fatal(err)
		}
		if _, err := buf.ReadFrom(r); err != nil || buf.Len() < n-1000 {
			t.Fatalf("%d bytes, %v", buf.Len(), err)
		}
		if _, p, err := c.Read(ctx); err != nil || string(p) != "next" {
			t.Fatalf("%q, %v", p, err)
		}
	})
}

// Y3: a handler that only sends learns within a second that its client has
// gone, and its place is free at once.
func TestWebSocketClientGone(t *testing.T) {
	t.Parallel()
	eachClass(t, func(t *testing.T, s *server, class string) {
		for path, want := range map[string]string{"/only": "send raises ClientGone", "/endpoint": "WebSocketDisconnect 1006"} {
			c, ctx := openSocket(t, s, path)
			if _, _, err := c.Read(ctx); err != nil {
				t.Fatal(err)
			}
			mark, w := s.log.mark(), startWatch()
			c.CloseNow()
			s.expectFrom(mark, want)
			w.expectAtMost(t, time.Second, path+" to be told")
		}
		s.stop()
	})
}

// Y3: five clients that come and go leave worker_connections = 5 as it was,
// even where the app notices nothing.
func TestWebSocketPlacesAreFreed(t *testing.T) {
	t.Parallel()
	s := python(t, "sockets:app", "-k", "event-loop", "--worker-connections", "5", "--websocket-connections", "5", "--queue-timeout", "5").ready()
	for range 3 {
		var all []*websocket.Conn
		for range 5 {
			mark := s.log.mark()
			c, _ := openSocket(t, s, "/deaf")
			s.expectFrom(mark, "deaf began")
			all = append(all, c)
		}
		if status, _ := get(t, s.addr(), "/"); status != 200 {
			t.Errorf("beside five WebSockets: %d", status)
		}
		resp, _ := fetch(t, "GET", "http://"+s.addr()+"/echo", nil, "Connection", "Upgrade", "Upgrade", "websocket",
			"Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
		if resp.StatusCode != 503 {
			t.Errorf("a sixth WebSocket: %d", resp.StatusCode)
		}
		for _, c := range all {
			c.CloseNow()
		}
		eventually(t, "the places are free", func() bool {
			c, _, err := websocket.Dial(t.Context(), "ws://"+s.addr()+"/echo", nil)
			if err != nil {
				return false
			}
			return c.Close(websocket.StatusNormalClosure, "") == nil
		})
	}
	w := startWatch()
	s.stop()
	w.expectAtMost(t, 15*time.Second, "stopping")
}

// Y12: what an app is told after its own end, as uvicorn has it.
func TestWebSocketOwnClose(t *testing.T) {
	t.Parallel()
	eachClass(t, func(t *testing.T, s *server, class string) {
		c, ctx := openSocket(t, s, "/close")
		if _, _, err := c.Read(ctx); websocket.CloseStatus(err) != 4001 {
			t.Errorf("the client got %v", err)
		}
		s.expect(`after close websocket.disconnect 4001 enough`)
		s.expect(`a second end is RuntimeError`)
		if _, resp, err := websocket.Dial(ctx, "ws://"+s.addr()+"/refuse", nil); err == nil || resp == nil || resp.StatusCode != 403 {
			t.Errorf("refused: %v", err)
		}
		s.expect(`after refusal websocket.disconnect 1006`)
		if _, body := get(t, s.addr(), "/wrong"); body != "RuntimeError" {
			t.Errorf("a protocol error is %q", body)
		}
		if _, body := get(t, s.addr(), "/"); !strings.Contains(body, "spec 2.3") || strings.Contains(body, "pathsend") { // Y5
			t.Errorf("scope: %s", body)
		}
	})
}

// Y8: TERM and HUP close WebSockets with 1012 at once, and the app is told so.
func TestWebSocketRestart(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(signal.String(), func(t *testing.T) {
			eachClass(t, func(t *testing.T, s *server, class string) {
				idle, ctx := openSocket(t, s, "/told")
				s.expect("told began")
				mark, w := s.log.mark(), startWatch()
				s.signal(signal)
				if _, _, err := idle.Read(ctx); websocket.CloseStatus(err) != websocket.StatusServiceRestart {
					t.Errorf("the client got %v", err)
				}
				// HUP closes once the new workers are ready.
				if signal == syscall.SIGTERM {
					w.expectAtMost(t, 2*time.Second, "the client to be told")
				}
				s.expectFrom(mark, "told 1012")
				if signal == syscall.SIGTERM {
					if code := s.wait(); code != 0 {
						t.Errorf("exit code %d", code)
					}
					w.expectAtMost(t, 10*time.Second, "stopping")
				}
			})
		})
	}
}

// Y8 for commands: the gateway says it in the program's place.
func TestWebSocketRestartOfCommand(t *testing.T) {
	t.Parallel()
	s := web(t, options{}, "-k", "event-loop").ready()
	c, ctx := openSocket(t, s, "/ws")
	if err := c.Write(ctx, websocket.MessageText, []byte("hi")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Read(ctx); err != nil {
		t.Fatal(err)
	}
	w := startWatch()
	s.signal(syscall.SIGTERM)
	if _, _, err := c.Read(ctx); websocket.CloseStatus(err) != websocket.StatusServiceRestart {
		t.Errorf("the client got %v", err)
	}
	w.expectAtMost(t, 2*time.Second, "the client to be told")
	s.expect("websocket ends: Status(GoingAway|ServiceRestart)") // the goodbye, or the client's answer to its own
	s.wait()
}

// Y11: http.disconnect reaches an app that waits for it before it has sent
// anything.
func TestDisconnectBeforeAnswer(t *testing.T) {
	t.Parallel()
	eachClass(t, func(t *testing.T, s *server, class string) {
		k := dial(t, s.addr())
		k.send("GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n")
		s.expect("waiting")
		k.conn.Close()
		w := startWatch()
		s.expect("got http.disconnect")
		w.expectAtMost(t, time.Second, "the app to be told")
	})
}

// Y12: an app whose client has left is not cancelled unless a setting says so.
func TestDisconnectDoesNotCancel(t *testing.T) {
	t.Parallel()
	for grace, want := range map[string]string{"": "work done", "0.2": "work cancelled"} {
		t.Run("grace "+grace, func(t *testing.T) {
			t.Parallel()
			args := []string{"-k", "event-loop"}
			if grace != "" {
				args = append(args, "--asgi-disconnect-grace-period", grace)
			}
			s := python(t, "sockets:app", args...).ready()
			k := dial(t, s.addr())
			k.send("GET /work?for=3.5 HTTP/1.1\r\nHost: localhost\r\n\r\n")
			s.expect("work began")
			k.conn.Close()
			s.expect(want)
		})
	}
}

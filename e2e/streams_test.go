//go:build linux

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/coder/websocket"
)

func TestSlowClientsHoldNoWorker(t *testing.T) {
	t.Parallel()
	s := web(t, options{}, "-w", "1").ready()
	upload := dial(t, s.addr())
	upload.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 500000))
	reader := dial(t, s.addr())
	reader.send("GET /big?mb=64 HTTP/1.1\r\nHost: localhost\r\n\r\n") // and reads nothing
	s.expect(`big is written`)
	for range 20 {
		if status, _ := get(t, s.addr(), "/"); status != 200 {
			t.Fatalf("status %d", status)
		}
	}
	upload.send(strings.Repeat("x", 500000))
	if resp, body := upload.answer("POST"); resp.StatusCode != 200 || len(body) != 1000000 {
		t.Errorf("upload: %d, %d bytes back", resp.StatusCode, len(body))
	}
	if resp, body := reader.answer("GET"); resp.StatusCode != 200 || len(body) != 64<<20 {
		t.Errorf("download: %d, %d bytes", resp.StatusCode, len(body))
	}
	s.stop()
}

func TestEventsFlowAndAreHeldBack(t *testing.T) {
	t.Parallel()
	s := web(t, options{}, "-k", "event-loop").ready()
	k := dial(t, s.addr())
	k.send("GET /events?once=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
	resp, err := http.ReadResponse(k.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(resp.Body).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "data: 0") {
		t.Fatalf("first event %q, %v", line, err)
	}
	endless := dial(t, s.addr())
	endless.send("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if _, err := endless.in.Peek(10); err != nil {
		t.Fatal(err)
	}
	get(t, s.addr(), "/") // the gateway is not held either
	if mb := residentMiB(t, gatewayPID(s)); mb > 200 {
		t.Errorf("the gateway holds %d MiB for a client that reads nothing", mb)
	}
	k.conn.Close()
	endless.conn.Close()
	s.stop()
}

func residentMiB(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	return int(number(string(text), `VmRSS:\s+(\d+) kB`)) / 1024
}

func TestBodiesStreamBothWays(t *testing.T) {
	t.Parallel()
	s := web(t, options{}, "--no-request-buffering").ready()
	k := dial(t, s.addr())
	k.send("POST /duplex HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
	resp, err := http.ReadResponse(k.in, &http.Request{Method: "POST"})
	if err != nil {
		t.Fatal(err)
	}
	for i, part := range []string{"hello", "again"} {
		if i > 0 {
			k.send("5\r\n" + part + "\r\n")
		}
		got := make([]byte, 5)
		if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != part {
			t.Fatalf("part %d: %q, %v", i, got, err)
		}
	}
	k.send("0\r\n\r\n")
	if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) > 0 {
		t.Errorf("%q behind the end, %v", rest, err)
	}
	s.stop()
}

func TestAppHearsThatTheClientIsGone(t *testing.T) {
	t.Parallel()
	s := web(t, options{}).ready()
	k := dial(t, s.addr())
	k.send("GET /gone HTTP/1.1\r\nHost: localhost\r\n\r\n")
	s.expect(`waiting for the client to go`)
	k.conn.Close()
	s.expect(`the client is gone`)
	s.stop()
}

func TestWebSocketIsTunnelledAndSentAwayOnReload(t *testing.T) {
	t.Parallel()
	s := web(t, options{}, "-w", "1", "-k", "event-loop", "--graceful-timeout", "5").ready()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	c, _, err := websocket.Dial(ctx, "ws://"+s.addr()+"/ws", &websocket.DialOptions{Subprotocols: []string{"echo"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if c.Subprotocol() != "echo" {
		t.Errorf("subprotocol %q", c.Subprotocol())
	}
	if err := c.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, p, err := c.Read(ctx); err != nil || string(p) != "hello" {
		t.Fatalf("%q, %v", p, err)
	}
	s.signal(syscall.SIGHUP)
	if _, _, err := c.Read(ctx); websocket.CloseStatus(err) != websocket.StatusServiceRestart {
		t.Errorf("the socket ended with %v, want 1012 (service restart)", err)
	}
	s.expect(`worker gone`)
	s.stop()
}

func TestEarlyHintsAndTrailersPass(t *testing.T) {
	t.Parallel()
	s := web(t, options{}).ready()
	k := dial(t, s.addr())
	k.send("GET /early HTTP/1.1\r\nHost: localhost\r\n\r\n")
	resp, _ := k.answer("GET")
	if resp.StatusCode != 103 || resp.Header.Get("Link") == "" {
		t.Fatalf("first answer %d %v, want 103", resp.StatusCode, resp.Header)
	}
	resp, body := k.answer("GET")
	if resp.StatusCode != 200 || body != "after the hint" || resp.Trailer.Get("X-Sum") != "42" {
		t.Fatalf("%d %q, trailers %v", resp.StatusCode, body, resp.Trailer)
	}
	s.stop()
}

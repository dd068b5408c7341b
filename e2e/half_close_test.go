//go:build linux

package e2e

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// halfApp answers after a while: at once, or in parts, each a while apart.
const halfApp = `
import asyncio, time

def wsgi(environ, start_response):
    path = environ["PATH_INFO"]
    body = environ["wsgi.input"].read() if path == "/body" else b""
    if path == "/slow":
        time.sleep(1.6)
    elif path == "/parts":
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        return parts()
    else:
        time.sleep(0.2)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"answer " + body]

def parts():
    for i in range(4):
        time.sleep(0.5)
        yield b"part %d " % i

async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    path, body, more = scope["path"], b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            print("the body broke off", flush=True)
            return
        body, more = body + message["body"], message["more_body"]
    kind = b"text/event-stream" if path in ("/parts", "/events") else b"text/plain"
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]}
    if path == "/events":
        await send(start)
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        print("events", (await receive())["type"], flush=True)
        return
    if path == "/forever":
        print("forever", (await receive())["type"], flush=True)
        return
    if path == "/parts":
        await send(start)
        for i in range(4):
            await asyncio.sleep(0.5)
            await send({"type": "http.response.body", "body": b"part %d " % i, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return
    await asyncio.sleep(1.6 if path == "/slow" else 0.2)
    await send(start)
    await send({"type": "http.response.body", "body": b"answer " + body})
`

// halves are the servers that halfApp runs under.
func halves(t *testing.T, each func(t *testing.T, start func(args ...string) *server)) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "half_app.py"), []byte(halfApp), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, app := range map[string][]string{
		"sync": {"half_app:wsgi", "-k", "sync"}, "threaded": {"half_app:wsgi", "-k", "threaded", "--threads", "4"},
		"event-loop": {"half_app:asgi", "-k", "event-loop"}, "asgi-threaded": {"half_app:asgi", "-k", "threaded", "--threads", "4"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(args ...string) *server {
				args = append(append(app, "-b", "127.0.0.1:0", "--python", interpreter(t), "-w", "2"), args...)
				return startWith(t, options{dir: dir}, args...).ready()
			})
		})
	}
	t.Run("command", func(t *testing.T) {
		t.Parallel()
		each(t, func(args ...string) *server {
			return startWith(t, options{}, append(append([]string{"-b", "127.0.0.1:0", "-k", "event-loop"}, args...), as("half")...)...).ready()
		})
	})
}

// halfClose sends a request and nothing more, and returns the final answer.
func halfClose(t *testing.T, c net.Conn, text string) (status int, body string) {
	t.Helper()
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(bound)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(c)
	for {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Errorf("%.30q: %v", text, err)
			return 0, ""
		}
		if resp.StatusCode < 200 {
			continue
		}
		all, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Errorf("%.30q: %v", text, err)
		}
		return resp.StatusCode, string(all)
	}
}

func connect(t *testing.T, addr string, config *tls.Config) net.Conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, bound)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if config == nil {
		return c
	}
	over := tls.Client(c, config)
	if err := over.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return over
}

// halfCases are what a client may end its side behind.
func halfCases(t *testing.T, addr string, config *tls.Config) {
	t.Helper()
	const host = " HTTP/1.1\r\nHost: a\r\n"
	for name, c := range map[string]struct {
		request string
		status  int
		body    string
	}{
		"quick":        {"GET /quick" + host + "\r\n", 200, "answer "},
		"slow":         {"GET /slow" + host + "\r\n", 200, "answer "},
		"HTTP/1.0":     {"GET /slow HTTP/1.0\r\n\r\n", 200, "answer "},
		"parts":        {"GET /parts" + host + "\r\n", 200, "part 0 part 1 part 2 part 3 "},
		"body":         {"POST /body" + host + "Content-Length: 5\r\n\r\nhello", 200, "answer hello"},
		"chunked body": {"POST /body" + host + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200, "answer hello"},
		"cut body":     {"POST /body" + host + "Content-Length: 9\r\n\r\nhello", 400, ""},
		"cut chunk":    {"POST /body" + host + "Transfer-Encoding: chunked\r\n\r\n5\r\nhel", 400, ""},
		"cut trailer":  {"POST /body" + host + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", 400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, body := halfClose(t, connect(t, addr, config), c.request)
			if status != c.status || status == 200 && body != c.body {
				t.Errorf("%d %q, want %d %q", status, body, c.status, c.body)
			}
		})
	}
}

func TestHalfClosedClientGetsItsAnswer(t *testing.T) {
	t.Parallel()
	halves(t, func(t *testing.T, start func(...string) *server) {
		for _, buffered := range []string{"--request-buffering", "--no-request-buffering"} {
			s := start(buffered)
			t.Run(buffered, func(t *testing.T) { halfCases(t, s.addr(), nil) })
			s.stop()
		}
	})
}

func TestHalfClosedTLSClientGetsItsAnswer(t *testing.T) {
	t.Parallel()
	halves(t, func(t *testing.T, start func(...string) *server) {
		a := newAuthority(t)
		cert, key := a.issue("server", "a.example", time.Now().Add(time.Hour))
		s := start("--certfile", cert, "--keyfile", key)
		t.Run("close_notify", func(t *testing.T) {
			halfCases(t, tlsAddr(s), &tls.Config{RootCAs: a.Pool, ServerName: "a.example", NextProtos: []string{"http/1.1"}})
		})
		s.stop()
	})
}

// A client that ends its side and is gone looks like one that waits, until it
// is sent something.
func TestHalfClosedClientThatIsGoneIsNoticed(t *testing.T) {
	t.Parallel()
	halves(t, func(t *testing.T, start func(...string) *server) {
		if !strings.Contains(t.Name(), "event-loop") {
			return // the others do not wait for http.disconnect
		}
		s := start()
		for _, path := range []string{"/forever", "/events"} {
			c := connect(t, s.addr(), nil)
			if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			if path == "/events" {
				if _, err := bufio.NewReader(c).ReadString('f'); err != nil {
					t.Fatal(err)
				}
			}
			c.Close()
			s.expect(path[1:] + " http.disconnect")
		}
		s.stop()
	})
}

// playHalf is halfApp as a command.
func playHalf() {
	mux := http.NewServeMux()
	answer := func(after time.Duration) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			time.Sleep(after)
			_, _ = w.Write(append([]byte("answer "), body...))
		}
	}
	mux.HandleFunc("/quick", answer(200*time.Millisecond))
	mux.HandleFunc("/body", answer(200*time.Millisecond))
	mux.HandleFunc("/slow", answer(1600*time.Millisecond))
	mux.HandleFunc("/parts", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, part := range []string{"part 0 ", "part 1 ", "part 2 ", "part 3 "} {
			time.Sleep(500 * time.Millisecond)
			_, _ = io.WriteString(w, part)
			_ = http.NewResponseController(w).Flush()
		}
	})
	l, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err == nil {
		err = http.Serve(l, mux)
	}
	if err != nil {
		os.Exit(1)
	}
}

//go:build linux

package e2e

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

func TestFastAPI(t *testing.T) {
	t.Parallel()
	s := python(t, "fastapi_app:app", "-w", "2").ready()
	s.expect(`worker class: event-loop`)
	url := "http://" + s.addr()
	if resp, body := fetch(t, "GET", url+"/", nil); resp.StatusCode != 200 || !strings.Contains(body, `"thread":"MainThread"`) {
		t.Errorf("async endpoint: %d %s", resp.StatusCode, body)
	}
	if _, body := fetch(t, "GET", url+"/sync", nil); !strings.Contains(body, "AnyIO worker thread") {
		t.Errorf("sync endpoint: %s", body)
	}
	if _, body := fetch(t, "GET", url+"/stream?n=100", nil); strings.Count(body, "\n") != 100 {
		t.Errorf("stream: %q", body)
	}
	fetch(t, "GET", url+"/background", nil)
	s.expect(`background task ran`)
	if got := uploaded(t, url+"/upload", 50<<20); got["size"] != float64(50<<20) {
		t.Errorf("upload: %v", got)
	}
	resp, _ := fetch(t, "GET", url+"/fail", nil)
	if resp.StatusCode != 500 {
		t.Errorf("failing endpoint: %d", resp.StatusCode)
	}
	s.expect(`error in request ` + resp.Header.Get("X-Request-Id"))
	s.expect(`RuntimeError: this endpoint fails`)
	events(t, s)
	echoSocket(t, "ws://"+s.addr()+"/ws")
	s.stop()
	s.expect(`startup`)
	s.expect(`shutdown`)
}

// events reads a few events and leaves.
func events(t *testing.T, s *server) {
	t.Helper()
	k := dial(t, s.addr())
	k.send("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
	resp, err := http.ReadResponse(k.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 20)
	if _, err := io.ReadFull(resp.Body, buf); err != nil || !strings.HasPrefix(string(buf), "data: 0\n\ndata: 1") {
		t.Errorf("events: %q, %v", buf, err)
	}
	k.conn.Close()
	s.expect(`events ended`)
}

func echoSocket(t *testing.T, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{CompressionMode: websocket.CompressionNoContextTakeover})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	c.SetReadLimit(1 << 20)
	for _, text := range []string{"hello", strings.Repeat("long ", 40000)} {
		if err := c.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if _, p, err := c.Read(ctx); err != nil || string(p) != "echo "+text {
			t.Fatalf("%d bytes back, %v", len(p), err)
		}
	}
	if err := c.Close(websocket.StatusNormalClosure, "bye"); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestStarlette(t *testing.T) {
	t.Parallel()
	for _, class := range []string{"event-loop", "sync", "threaded"} {
		t.Run(class, func(t *testing.T) {
			t.Parallel()
			s := python(t, "starlette_app:app", "-k", class, "--threads", "2").ready()
			url := "http://" + s.addr()
			if resp, body := fetch(t, "GET", url+"/", nil); resp.StatusCode != 200 || body != "hello from /" {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
			if _, body := fetch(t, "POST", url+"/echo", bytes.NewReader(make([]byte, 1<<20))); !strings.Contains(body, `"size":1048576,"client":"127.0.0.1"`) {
				t.Errorf("echo: %s", body)
			}
			if _, body := fetch(t, "GET", url+"/file", nil); !strings.Contains(body, "FileResponse") {
				t.Errorf("file: %q", body)
			}
			doubleSocket(t, "ws://"+s.addr())
			s.stop()
		})
	}
}

func doubleSocket(t *testing.T, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	c, _, err := websocket.Dial(ctx, url+"/ws", &websocket.DialOptions{Subprotocols: []string{"chat"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if err := c.Write(ctx, websocket.MessageBinary, []byte("ab")); err != nil {
		t.Fatal(err)
	}
	if _, p, err := c.Read(ctx); err != nil || string(p) != "abab" || c.Subprotocol() != "chat" {
		t.Fatalf("%q, %v, subprotocol %q", p, err, c.Subprotocol())
	}
	_, _, err = c.Read(ctx)
	if websocket.CloseStatus(err) != 4000 {
		t.Errorf("closed with %v, want 4000", err)
	}
	if _, resp, err := websocket.Dial(ctx, url+"/denied", nil); err == nil || resp == nil || resp.StatusCode != 403 {
		t.Errorf("a denied socket was answered %v, %v", resp, err)
	}
}

func TestDjango(t *testing.T) {
	t.Parallel()
	for _, app := range []string{"djangoproj.wsgi", "djangoproj.asgi:application"} {
		t.Run(app, func(t *testing.T) {
			t.Parallel()
			s := python(t, app).ready()
			url := "http://" + s.addr()
			if resp, body := fetch(t, "GET", url+"/", nil); resp.StatusCode != 200 || body != "django says hello to 127.0.0.1" {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
			if got := uploaded(t, url+"/upload", 5<<20); got["size"] != float64(5<<20) {
				t.Errorf("upload: %v", got)
			}
			if _, body := fetch(t, "GET", url+"/stream", nil); strings.Count(body, "\n") != 100 {
				t.Errorf("stream: %q", body)
			}
			if _, body := fetch(t, "GET", url+"/file", nil); !strings.Contains(body, "urlpatterns") {
				t.Errorf("file: %q", body)
			}
			if resp, _ := fetch(t, "GET", url+"/fail", nil); resp.StatusCode != 500 {
				t.Errorf("failing view: %d", resp.StatusCode)
			}
			s.stop()
		})
	}
}

func TestFlask(t *testing.T) {
	t.Parallel()
	for _, app := range []string{"flask_app:app", "flask_app:create_app()", "flask_app:create_named(name='y')"} {
		t.Run(app, func(t *testing.T) {
			t.Parallel()
			s := python(t, app, "--threads", "2").ready()
			url := "http://" + s.addr()
			if _, body := fetch(t, "GET", url+"/", nil); !strings.Contains(body, `"multithread":true`) || !strings.Contains(body, `"remote":"127.0.0.1"`) {
				t.Errorf("%s", body)
			}
			if got := uploaded(t, url+"/upload", 5<<20); got["size"] != float64(5<<20) {
				t.Errorf("upload: %v", got)
			}
			if _, body := fetch(t, "GET", url+"/stream", nil); strings.Count(body, "\n") != 100 {
				t.Errorf("stream: %q", body)
			}
			s.stop()
		})
	}
	s := python(t, "flask_app:create_app", "--factory").ready()
	s.stop()
}

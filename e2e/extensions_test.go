//go:build linux

package e2e

import (
	"crypto/tls"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

func TestASGIExtensions(t *testing.T) {
	t.Parallel()
	for _, class := range []string{"event-loop", "threaded"} {
		t.Run(class, func(t *testing.T) {
			t.Parallel()
			s := python(t, "extensions:app", "-k", class, "--asgi-pathsend").ready()
			k := dial(t, s.addr())
			k.send("GET /hint HTTP/1.1\r\nHost: localhost\r\n\r\n")
			if resp, _ := k.answer("GET"); resp.StatusCode != 103 || !strings.Contains(resp.Header.Get("Link"), "style.css") {
				t.Errorf("hint: %d %v", resp.StatusCode, resp.Header)
			}
			if resp, body := k.answer("GET"); resp.StatusCode != 200 || body != "after the hint" {
				t.Errorf("after the hint: %d %q", resp.StatusCode, body)
			}
			k.send("GET /trailers HTTP/1.1\r\nHost: localhost\r\nTE: trailers\r\n\r\n")
			if resp, body := k.answer("GET"); body != "body" || resp.Trailer.Get("X-Sum") != "42" {
				t.Errorf("trailers: %q %v", body, resp.Trailer)
			}
			if resp, body := k.get("/path"); !strings.Contains(body, "pathsend") || resp.ContentLength != int64(len(body)) {
				t.Errorf("path: %d bytes, length %d", len(body), resp.ContentLength)
			}
			if _, resp, err := websocket.Dial(t.Context(), "ws://"+s.addr()+"/", nil); err == nil || resp == nil || resp.StatusCode != 451 || resp.Header.Get("X-Why") != "law" {
				t.Errorf("denied: %v, %v", resp, err)
			}
			s.stop()
			s.expect(`shut down`)
		})
	}
}

func TestASGIScope(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	cert, key := a.issue("one", "one.example", time.Now().Add(20*24*time.Hour))
	s := python(t, "extensions:app", "--certfile", cert, "--keyfile", key, "--http-protocols", "h2,h1", "--root-path", "/api").ready()
	resp, body, err := a.ask(tlsAddr(s), "one.example", "/shown", &tls.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		State       map[string]string
		RootPath    string `json:"root_path"`
		Path        string
		Scheme      string
		HTTPVersion string `json:"http_version"`
		Extensions  []string
		TLSVersion  int `json:"tls_version"`
	}
	if resp.StatusCode == 500 { // the path has the root path in front
		t.Fatalf("%d %q", resp.StatusCode, body)
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("%v in %q", err, body)
	}
	if got.State["started"] != "yes" || got.RootPath != "/api" || got.Scheme != "https" || got.HTTPVersion != "2" ||
		!slices.Contains(got.Extensions, "tls") || got.TLSVersion != tls.VersionTLS13 {
		t.Errorf("%+v", got)
	}
	s.stop()
}

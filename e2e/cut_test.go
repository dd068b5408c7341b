//go:build linux

package e2e

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// cutApp breaks its answers off, in ways that are its own and its process's.
const cutApp = `
import os, sys, time

def app(environ, start_response):
    path = environ["PATH_INFO"]
    start_response("200 OK", [("Content-Type", "text/event-stream")])
    def parts():
        yield b"begun"
        if path == "/dies":
            time.sleep(0.2)
            os._exit(3)
        if path == "/fails":
            time.sleep(0.2)
            raise RuntimeError("no more")
        yield b" and ended"
    return parts()
`

// A response that was cut is counted by who cut it, and the access log says so.
func TestCutResponsesAreCounted(t *testing.T) {
	t.Parallel()
	for _, class := range []string{"sync", "threaded", "event-loop"} {
		t.Run(class, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "cut_app.py"), []byte(cutApp), 0o600); err != nil {
				t.Fatal(err)
			}
			log := filepath.Join(dir, "access.log")
			admin := listenLocal()
			s := startWith(t, options{dir: dir}, "cut_app:app", "-b", "127.0.0.1:0", "--python", interpreter(t), "-k", class,
				"--access-logfile", log, "--admin-bind", admin).ready()
			for _, path := range []string{"/whole", "/dies", "/fails"} {
				status, body, err := tryGet(t.Context(), s.addr(), path)
				if whole := path == "/whole"; status != 200 || (err == nil) != whole || !strings.HasPrefix(body, "begun") {
					t.Errorf("%s: %d %q %v", path, status, body, err)
				}
			}
			var metrics string
			eventually(t, "the counts say who has cut what", func() bool {
				resp, body := fetch(t, "GET", "http://"+admin+"/metrics", nil)
				_, _ = io.Copy(io.Discard, resp.Body) // it is read
				metrics = body
				return strings.Contains(body, `gonicorn_http_responses_cut_total{cause="worker"} 1`) &&
					strings.Contains(body, `gonicorn_http_responses_cut_total{cause="app"} 1`)
			})
			if !strings.Contains(metrics, `gonicorn_http_responses_cut_total{cause="client"} 0`) {
				t.Error("a client is blamed")
			}
			eventually(t, "the access log says who has cut what", func() bool {
				text, _ := os.ReadFile(log)
				lines := strings.Split(strings.TrimSpace(string(text)), "\n")
				return len(lines) == 3 && !strings.Contains(lines[0], "cut=") &&
					strings.HasSuffix(lines[1], "cut=worker") && strings.HasSuffix(lines[2], "cut=app")
			})
			s.stop()
		})
	}
}

//go:build linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const goodApp = `
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"version %d"]
`

// brokenApps are new versions that no rollout may let serve.
var brokenApps = map[string]string{
	"raises":       "raise RuntimeError('not today')\n",
	"hangs":        "import time\ntime.sleep(100)\n",
	"crashes soon": "import os, threading\nthreading.Timer(2, os._exit, (7,)).start()\n" + fmt.Sprintf(goodApp, 2),
}

// versions is a folder with an app of which a test writes one version after
// another.
type versions struct {
	t    *testing.T
	file string
}

func (v versions) write(code string) {
	v.t.Helper()
	if err := os.WriteFile(v.file, []byte(code), 0o600); err != nil {
		v.t.Fatal(err)
	}
}

func versioned(t *testing.T, args ...string) (*server, versions) {
	dir := t.TempDir()
	v := versions{t, filepath.Join(dir, "versioned.py")}
	v.write(fmt.Sprintf(goodApp, 1))
	return startWith(t, options{env: []string{"PYTHONDONTWRITEBYTECODE=1"}},
		append([]string{"versioned:app", "-b", "127.0.0.1:0", "--python", interpreter(t), "--chdir", dir}, args...)...), v
}

func TestBrokenRolloutsLeaveTheOldServing(t *testing.T) {
	t.Parallel()
	for name, code := range brokenApps {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := filepath.Join(t.TempDir(), "gunicorn.toml")
			bootTimeout := func(n int) {
				if err := os.WriteFile(config, fmt.Appendf(nil, "boot_timeout = %d\n", n), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			bootTimeout(60)
			s, v := versioned(t, "-w", "3", "--canary", "--canary-time", "5", "-c", config)
			s.ready()
			l := startLoad(t, s.addr(), 2)
			v.write(code)
			if name == "hangs" {
				bootTimeout(3)
			}
			s.signal(syscall.SIGHUP)
			s.expect(`reload failed: the old generation keeps serving`)
			bootTimeout(60)
			l.served(t, 50)
			l.expectNoFailure(t)
			if _, body := get(t, s.addr(), "/"); body != "version 1" {
				t.Errorf("afterwards: %q", body)
			}
			l = startLoad(t, s.addr(), 2) // without requests nothing is proven
			v.write(fmt.Sprintf(goodApp, 3))
			s.signal(syscall.SIGHUP)
			s.expect(`canary did`)
			s.expect(`new generation serves`)
			eventually(t, "the next version serves", func() bool {
				_, body := get(t, s.addr(), "/")
				return body == "version 3"
			})
			l.expectNoFailure(t)
			s.stop()
		})
	}
}

func TestCanaryThatAnswers5xxIsTakenBack(t *testing.T) {
	t.Parallel()
	s, v := versioned(t, "-w", "2", "--canary", "--canary-time", "20")
	s.ready()
	v.write(strings.ReplaceAll(fmt.Sprintf(goodApp, 2), "200 OK", "500 Oh"))
	s.signal(syscall.SIGHUP)
	s.expect(`canary serves`)
	l := startLoad(t, s.addr(), 6) // enough at once that every worker gets some
	s.expect(`reload failed.*canary: .* % of its \d+ answers were 5xx`)
	s.expect(`worker gone .*reason="reload failed"`)
	l.stop()
	if l.failed.Load() == 0 {
		t.Error("the canary got no request")
	}
	for range 20 {
		if status, body := get(t, s.addr(), "/"); status != 200 || body != "version 1" {
			t.Errorf("afterwards: %d %q", status, body)
		}
	}
	s.stop()
}

func TestRollingReloadUnderLoad(t *testing.T) {
	t.Parallel()
	s, v := versioned(t, "-w", "3", "--reload-batch", "1", "--reload-pause", "200ms")
	s.ready()
	l := startLoad(t, s.addr(), 4)
	for i := range 3 {
		v.write(fmt.Sprintf(goodApp, i+2))
		mark := s.log.mark()
		s.signal(syscall.SIGHUP)
		s.expectFrom(mark, `reload goes on.*exchanged=1 of=3`)
		s.expectFrom(mark, `reload goes on.*exchanged=2 of=3`)
		s.expectFrom(mark, `new generation serves`)
	}
	l.expectNoFailure(t)
	if _, body := get(t, s.addr(), "/"); body != "version 4" {
		t.Errorf("afterwards: %q", body)
	}
	s.stop()
}

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

// A canary that nobody asks anything has proven nothing.
func TestCanaryWithoutRequestsFails(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "ctl")
	server, v := versioned(t, "-w", "2", "-k", "sync", "--canary", "--canary-time", "1", "--control-socket", socket)
	s := told{server.ready(), socket}
	v.write(fmt.Sprintf(goodApp, 2))
	code, out := s.run("reload")
	if code == 0 || !strings.Contains(out, "0 answers in 3s are too few for a verdict (canary_min_answers 30)") {
		t.Errorf("reload: exit code %d, said %q", code, out)
	}
	s.expect(`canary has had too few requests to be judged: its trial goes on`)
	s.want("last reload failed", "status")
	if _, body := get(t, s.addr(), "/"); body != "version 1" {
		t.Errorf("afterwards: %q", body)
	}
	s.stop()
}

// A reload that exchanges the gateway as well has its canary behind the old one.
func TestCanaryOfAReloadWithANewGateway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config, socket := filepath.Join(dir, "gunicorn.toml"), filepath.Join(dir, "ctl")
	write := func(queue int) {
		if err := os.WriteFile(config, fmt.Appendf(nil, "queue_size = %d\n", queue), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(1000)
	server, v := versioned(t, "-c", config, "-w", "2", "-k", "sync", "--canary", "--canary-time", "1", "--control-socket", socket)
	s := told{server.ready(), socket}
	l := startLoad(t, s.addr(), 3)
	v.write(strings.ReplaceAll(fmt.Sprintf(goodApp, 2), "200 OK", "500 Oh"))
	write(1001)
	s.signal(syscall.SIGHUP)
	s.expect(`reload failed.*canary: .* answers were 5xx`)
	s.expect(`worker gone .*reason="reload failed"`)
	l.stop() // with all that the canary has answered
	if l.failed.Load() == 0 {
		t.Error("the canary got no request")
	}
	l = startLoad(t, s.addr(), 3)
	v.write(fmt.Sprintf(goodApp, 3))
	write(1002)
	out := s.want("the new workers serve", "reload")
	if !strings.Contains(out, "canary did well: ") {
		t.Errorf("reload said %q", out)
	}
	s.want("canary did well: ", "status")
	s.expect(`gateway started .*generation=3`)
	eventually(t, "the new version serves", func() bool {
		_, body := get(t, s.addr(), "/")
		return body == "version 3"
	})
	l.expectNoFailure(t)
	s.stop()
}

// A reload that goes without its canary says so.
func TestReloadSaysThatItHasNoCanary(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "ctl")
	server, v := versioned(t, "-w", "2", "-k", "sync", "--canary", "--canary-time", "1", "--control-socket", socket)
	s := told{server.ready(), socket}
	s.want("draining", "drain")
	s.expect(`gateway gone`)
	s.expect(`worker gone worker=1`)
	s.expect(`worker gone worker=2`)
	v.write(fmt.Sprintf(goodApp, 2))
	out := s.want("the new workers serve", "reload")
	if !strings.Contains(out, "no canary: no worker serves that a canary could be compared with") {
		t.Errorf("reload said %q", out)
	}
	s.expect(`no canary generation=2 reason="no worker serves.*code=GON046`)
	s.want("no canary: no worker serves", "status")
	if _, body := get(t, s.addr(), "/"); body != "version 2" {
		t.Errorf("afterwards: %q", body)
	}
	s.stop()
}

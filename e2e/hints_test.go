//go:build linux

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A newcomer's slips are named for what they are.
func TestHintsDoNotMislead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"vision.py": "import cv2_of_that_name\n", "server.js": "", "tool": "#!/bin/sh\n",
		"apps.py": `def factory(config):
    return lambda environ, start_response: []
async def neither(environ, start_response):
    return []
def two(scope):
    async def asgi(receive, send):
        pass
    return asgi
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		says, never string
		code        int
		args        []string
	}{
		{"may have another name", "pip install cv2", 4, []string{"vision:app"}},
		{"did you mean: gonicorn reload", "no module reolad", 4, []string{"reolad"}},
		{"gonicorn -- node ./server.js", "name the module", 4, []string{"./server.js"}},
		{"gonicorn -- ./tool", "name the module", 4, []string{"./tool"}},
		{"takes one argument, config", "ASGI", 4, []string{"apps:factory"}},
		{"is async and takes two arguments", "500", 4, []string{"apps:neither"}},
		{"the config is good", "factory", 0, []string{"apps:two"}},
	} {
		code, out := command(t, dir, append([]string{"check", "--python", interpreter(t)}, c.args...)...)
		if code != c.code || !strings.Contains(out, c.says) || strings.Contains(out, c.never) {
			t.Errorf("%v: exit code %d: %s", c.args, code, out)
		}
	}
	s := startWith(t, options{env: []string{"GONICORN_WORKER=4"}}, "demo", "-b", "127.0.0.1:0").ready()
	s.expect(`GONICORN_WORKER is not a setting; did you mean GONICORN_WORKERS`)
	s.stop()
}

// sh runs a line of shell.
func sh(t *testing.T, dir, line string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
	cmd.Dir, cmd.Env = dir, cleanEnv()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v: %s", line, err, out)
	}
	return string(out)
}

// What init prints is whole: the virtual environment, and a health check that
// fails where nobody serves.
func TestInitIsWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script := "VIRTUAL_ENV='/srv/my env' exec " + binary() + " init systemd main:app"
	if out := sh(t, dir, script); !strings.Contains(out, "\nEnvironment=\"VIRTUAL_ENV=/srv/my env\"\n") {
		t.Error(out)
	}
	if out := sh(t, dir, "exec "+binary()+" init docker main:app"); !strings.Contains(out, `CMD ["gonicorn", "status", "--ready"]`) {
		t.Error(out)
	}
	socket := filepath.Join(dir, "ctl")
	s := start(t, as("web", "-w", "1", "-b", "127.0.0.1:0", "--control-socket", socket)...).ready()
	if code, out := command(t, dir, "status", "--ready", "--control-socket", socket); code != 0 || !strings.Contains(out, "1 of 1 ready") {
		t.Errorf("exit code %d: %s", code, out)
	}
	s.stop()
	s = startWith(t, options{env: []string{"E2E_LISTEN=nowhere"}}, as("web", "-w", "1", "-b", "127.0.0.1:0", "--boot-timeout", "60", "--control-socket", socket)...)
	s.expect(`worker started`)
	eventually(t, "it answers", func() bool {
		_, out := command(t, dir, "status", "--control-socket", socket)
		return strings.Contains(out, "0 of 1 ready")
	})
	if code, out := command(t, dir, "status", "--ready", "--control-socket", socket); code == 0 || !strings.Contains(out, "no worker takes requests") {
		t.Errorf("exit code %d: %s", code, out)
	}
}

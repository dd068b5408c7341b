//go:build linux

package e2e

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Every mistake gets one clear error and its exit code.
func TestMistakes(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain := file("plain.txt", "no program", 0o644)
	broken := file("broken.toml", "workers = = 2\n", 0o644)
	wrongType := file("type.toml", "workers = [1]\ntimeout = true\n", 0o644)
	unknown := file("unknown.toml", "workesr = 2\n", 0o644)
	for _, c := range []struct {
		name string
		args []string
		code int
		says []string
	}{
		{"address in use", []string{"demo", "-b", taken.Addr().String()}, 1, []string{"in use", "pid", "--bind"}},
		{"no app", nil, 4, []string{"no app", "-- node"}},
		{"missing command", []string{"--", "gonicorn-no-such-program"}, 4, []string{"not found in PATH"}},
		{"missing path", []string{"--", "./nope"}, 4, []string{"./nope", "no such file"}},
		{"not executable", []string{"--", plain}, 4, []string{"chmod +x"}},
		{"empty command", []string{"--"}, 4, []string{"missing"}},
		{"bad TOML", []string{"-c", broken, "demo"}, 1, []string{"broken.toml:1"}},
		{"wrong type", []string{"-c", wrongType, "demo"}, 1, []string{"type.toml:1", "type.toml:2", "workers", "timeout"}},
		{"unknown key", []string{"-c", unknown, "demo"}, 1, []string{"unknown.toml:1", "workesr", "workers"}},
		{"missing config", []string{"-c", "nope.toml", "demo"}, 1, []string{"nope.toml"}},
		{"unknown class", []string{"-k", "warp", "demo"}, 1, []string{"warp", "sync", "threaded", "event-loop"}},
		{"no workers", []string{"-w", "0", "demo"}, 1, []string{"--workers", "-w"}[1:]},
		{"minus one worker", []string{"-w", "-1", "demo"}, 1, []string{"-w"}},
		{"missing chdir", []string{"--chdir", "/no/such/folder", "demo"}, 1, []string{"/no/such/folder"}},
		{"unknown user", []string{"--user", "nobody-of-that-name", "demo"}, 1, []string{"nobody-of-that-name"}},
		{"unwritable log", []string{"--error-logfile", "/no/such/folder/log", "demo", "-b", "127.0.0.1:0"}, 1, []string{"/no/such/folder"}},
		{"long unix path", []string{"-b", "unix:/" + strings.Repeat("x", 120), "demo"}, 1, []string{"107"}},
		{"bad flag", []string{"--wrokers", "3", "demo"}, 2, []string{"--wrokers", "--workers"}},
		{"TLS of a Go handler", []string{"--certfile", plain, "--keyfile", plain, "demo"}, 1, []string{"certfile", "transport inherit", "plain HTTP"}},
		{"TLS of an inherited socket", as("web", "--certfile", plain, "--keyfile", plain, "--transport", "inherit"), 1, []string{"certfile", "plain HTTP"}},
		{"boot loop", as("exit", "--transport", "none"), 3, []string{"3 tries", "code 7", "about to exit"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), binary(), c.args...)
			cmd.Dir, cmd.Env = dir, cleanEnv()
			out, _ := cmd.CombinedOutput()
			if code := cmd.ProcessState.ExitCode(); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for _, want := range c.says {
				if !strings.Contains(string(out), want) {
					t.Errorf("it does not say %q", want)
				}
			}
			if strings.Contains(string(out), "panic") || strings.Contains(string(out), "goroutine ") {
				t.Error("it panics")
			}
			if t.Failed() {
				t.Logf("it says:\n%s", out)
			}
		})
	}
}

func TestPrivilegedPort(t *testing.T) {
	t.Parallel()
	if os.Getuid() == 0 {
		t.Skip("root may bind any port; internal/listen tests the message")
	}
	out, err := runOnce(t, "demo", "-b", "127.0.0.1:80")
	if err == nil || !strings.Contains(out, "privilege") {
		t.Fatalf("got %v, %q", err, out)
	}
}

func TestCheckAndPrintConfig(t *testing.T) {
	t.Parallel()
	if out, err := runOnce(t, "--check-config", "demo", "-w", "3"); err != nil {
		t.Errorf("a good config: %v, %s", err, out)
	}
	if out, err := runOnce(t, "--check-config", "demo", "-w", "0"); err == nil {
		t.Errorf("a bad config passes: %s", out)
	}
	out, err := runOnce(t, "--print-config", "demo", "-w", "3")
	if err != nil || !strings.Contains(out, "workers = 3") || !strings.Contains(out, "-w") {
		t.Errorf("print-config: %v, %s", err, out)
	}
	if out, err := runOnce(t, "--help"); err != nil || !strings.Contains(out, "--workers") {
		t.Errorf("help: %v, %s", err, out)
	}
	if out, err := runOnce(t, "--version"); err != nil || !strings.HasPrefix(out, "gonicorn ") {
		t.Errorf("version: %v, %s", err, out)
	}
}

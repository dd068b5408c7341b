//go:build linux

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// command runs a command of gonicorn's in a folder.
func command(t *testing.T, dir string, args ...string) (code int, out string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary(), args...)
	cmd.Dir, cmd.Env = dir, cleanEnv()
	text, _ := cmd.CombinedOutput() // the code is looked at
	return cmd.ProcessState.ExitCode(), string(text)
}

func TestInitPrintsFilesThatWork(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("main.py", fmt.Sprintf(goodApp, 1))
	t.Run("toml", func(t *testing.T) {
		code, out := command(t, dir, "init", "toml", "main:app", "-w", "3", "--threads", "2", "-b", "127.0.0.1:0", "-e", "A=b c")
		if code != 0 {
			t.Fatalf("exit code %d: %s", code, out)
		}
		write("gunicorn.toml", out)
		s := startWith(t, options{dir: dir}, "main:app", "--python", interpreter(t)).ready()
		s.expect(`worker class: threaded, workers: 3`)
		get(t, s.addr(), "/")
		s.stop()
		if err := os.Remove(filepath.Join(dir, "gunicorn.toml")); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("systemd", func(t *testing.T) {
		analyze, err := exec.LookPath("systemd-analyze")
		if err != nil {
			t.Skip("there is no systemd-analyze: apt-get install systemd")
		}
		code, out := command(t, dir, "init", "systemd", "-w", "3", "-b", ":8000", "--", "/bin/echo", "two words", "100%", "$HOME")
		if code != 0 || !strings.Contains(out, `-- /bin/echo "two words" 100%% $$HOME`) {
			t.Fatalf("exit code %d: %s", code, out)
		}
		unit := write("app.service", strings.Replace(out, "User=www-data", "User=root", 1))
		if text, err := exec.Command(analyze, "verify", unit).CombinedOutput(); err != nil || strings.Contains(string(text), "app.service:") {
			t.Errorf("%v: %s", err, text)
		}
	})
	t.Run("docker", func(t *testing.T) {
		code, out := command(t, dir, "init", "docker", "main:app", "-b", "127.0.0.1:8001")
		if code != 0 || !strings.Contains(out, "FROM python:") || !strings.Contains(out, `CMD ["main:app","-b","0.0.0.0:8001"]`) || !strings.Contains(out, "EXPOSE 8001") || !strings.Contains(out, "ENV FORWARDED_ALLOW_IPS=") {
			t.Errorf("exit code %d: %s", code, out)
		}
		if _, out = command(t, dir, "init", "docker", "--", "node", "server.js"); !strings.Contains(out, "FROM debian:") {
			t.Error(out)
		}
	})
	t.Run("kubernetes", func(t *testing.T) {
		code, out := command(t, dir, "init", "kubernetes", "My_Shop.wsgi:app", "-w", "2")
		if code != 0 || strings.Count(out, "\n---\n") != 2 || !strings.Contains(out, "name: my-shop-wsgi\n") || strings.Contains(out, "{{") || !strings.Contains(out, "FORWARDED_ALLOW_IPS") {
			t.Errorf("exit code %d: %s", code, out)
		}
	})
	t.Run("mistakes", func(t *testing.T) {
		for want, args := range map[string][]string{
			"none of systemd, docker, kubernetes, toml": {"init", "crontab"},
			"--wrokers: there is no such flag":          {"init", "toml", "main:app", "--wrokers", "2"},
		} {
			if code, out := command(t, dir, args...); code != 2 || !strings.Contains(out, want) {
				t.Errorf("%v: exit code %d: %s", args, code, out)
			}
		}
	})
}

func TestCheckLoadsTheApp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"main.py": fmt.Sprintf(goodApp, 1), "broken.py": "import nothing_of_that_name\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		code int
		says string
		args []string
	}{
		{0, "the config is good", []string{"main:app", "-w", "2"}},
		{4, "nothing_of_that_name", []string{"broken:app"}},
		{1, "workers", []string{"main:app", "-w", "0"}},
		{2, "--wrokers", []string{"main:app", "--wrokers"}},
		{4, "not found in PATH", []string{"--", "no-program-of-that-name"}},
		{4, "no app is given", nil},
	} {
		code, out := command(t, dir, append([]string{"check", "--python", interpreter(t)}, c.args...)...)
		if code != c.code || !strings.Contains(out, c.says) {
			t.Errorf("%v: exit code %d, want %d: %s", c.args, code, c.code, out)
		}
	}
}

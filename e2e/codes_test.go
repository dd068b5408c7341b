//go:build linux

package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Every code of docs/errors.md that ends gonicorn or a command.
func TestErrorCodes(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() }) // the subtests are parallel
	dir := t.TempDir()
	for name, text := range map[string]string{
		"app.py": fmt.Sprintf(goodApp, 1), "failing.py": "raise RuntimeError('not today')\n", "plain.txt": "no program",
		"junk":             "no pid",
		"refusing.conf.py": "def on_starting(server):\n    raise RuntimeError('no database')\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	two := filepath.Join(dir, "two", "gonicorn")
	if err := os.MkdirAll(two, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"1.ctl", "2.ctl"} {
		l, err := net.Listen("unix", filepath.Join(two, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
	}
	startWith(t, options{dir: dir}, "demo", "-b", "127.0.0.1:0", "--pid", "pid").ready()
	python := interpreter(t)
	free := []string{"-b", "127.0.0.1:0", "--python", python}
	for _, c := range []struct {
		want string
		env  string
		args []string
	}{
		{"GON001", "", []string{"--wrokers", "3", "demo"}},
		{"GON002", "", []string{"scale", "many"}},
		{"GON003", "", []string{"-w", "-1", "demo"}},
		{"GON010", "", nil},
		{"GON011", "", append([]string{"nothere:app"}, free...)},
		{"GON012", "", append([]string{"failing:app"}, free...)},
		{"GON013", "", []string{"--", "./plain.txt"}},
		{"GON014", "", []string{"app:app", "--python", "/no/such/python"}},
		{"GON015", "", as("exit", "--transport", "none")},
		{"GON020", "", []string{"demo", "-b", taken.Addr().String()}},
		{"GON021", "", []string{"demo", "-b", "127.0.0.1:81"}},
		{"GON022", "", []string{"demo", "-b", "unix:/no/such/folder/sock"}},
		{"GON023", "", []string{"demo", "-b", "127.0.0.1:0", "--pid", "pid"}},
		{"GON024", "", []string{"demo", "-b", "127.0.0.1:0", "--pid", "junk"}},
		{"GON025", "", []string{"demo", "-b", "127.0.0.1:0", "--log-file", "/no/such/folder/log"}},
		{"GON026", "", append([]string{"app:app", "--certfile", "plain.txt", "--keyfile", "plain.txt"}, free...)},
		{"GON027", "", append([]string{"app:app", "-c", "refusing.conf.py"}, free...)},
		{"GON030", "XDG_RUNTIME_DIR=" + filepath.Join(dir, "none"), []string{"status"}},
		{"GON031", "XDG_RUNTIME_DIR=" + filepath.Join(dir, "two"), []string{"status"}},
		{"GON032", "", []string{"status", "--control-socket", "/no/such/socket"}},
		{"GON099", "", []string{"demo", "-b", "127.0.0.1:0", "--workers-max", "4"}},
	} {
		t.Run(c.want, func(t *testing.T) {
			t.Parallel()
			if c.want == "GON021" && !portsArePrivileged() {
				t.Skip("whoever runs this may listen at every port")
			}
			ctx, cancel := context.WithTimeout(context.Background(), bound)
			defer cancel()
			cmd := exec.CommandContext(ctx, binary(), c.args...)
			cmd.Dir, cmd.Env = dir, append(cleanEnv(), c.env)
			if c.want == "GON021" && os.Geteuid() == 0 {
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
				cmd.Dir = "/"
			}
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.HasSuffix(strings.TrimSpace(string(out)), "["+c.want+"]") {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// portsArePrivileged reports whether nobody but root may listen at port 81.
func portsArePrivileged() bool {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	return err == nil && strings.TrimSpace(string(text)) == "1024"
}

// The codes of a running gonicorn: in its log, and of what it refuses.
func TestErrorCodesOfTheLog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("paced.py", pacedApp+"\nimport os\ndef die(environ, start_response):\n    os._exit(9)\n")
	socket := filepath.Join(dir, "ctl")
	s := told{startWith(t, options{dir: dir, env: []string{"PYTHONDONTWRITEBYTECODE=1"}}, "paced:app", "-w", "1", "-k", "sync",
		"-b", "127.0.0.1:0", "-t", "2", "--control-socket", socket, "--python", interpreter(t)).ready(), socket}
	mark := s.log.mark()
	for pid := range s.pids() {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	s.expect(`worker lost .*code=GON041`)
	s.expectFrom(mark, `worker ready`) // to wait for it takes of the request's time
	if status, _ := get(t, s.addr(), "/?60"); status != 504 {
		t.Errorf("status %d", status)
	}
	s.expect(`worker hangs: .*code=GON040`)
	s.expect(`code=GON043`)
	write("paced.py", "raise RuntimeError('not today')\n")
	if code, out := s.run("reload"); code != 1 || !strings.HasSuffix(strings.TrimSpace(out), "[GON033]") {
		t.Errorf("exit code %d: %s", code, out)
	}
	s.expect(`reload failed: .*code=GON042`)
	s.stop()

	write("dies.py", "import os\ndef app(environ, start_response):\n    os._exit(9)\n")
	server := startWith(t, options{dir: dir}, "dies:app", "-k", "sync", "-b", "127.0.0.1:0", "--python", interpreter(t)).ready()
	resp, _ := fetch(t, "POST", "http://"+server.addr()+"/", strings.NewReader("x"))
	if resp.StatusCode != 502 {
		t.Errorf("status %d", resp.StatusCode)
	}
	server.expect(`code=GON044`)
	server.stop()
}

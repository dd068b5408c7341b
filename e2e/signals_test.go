//go:build linux

package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestStopSignals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sig   syscall.Signal
		twice bool
	}{{syscall.SIGTERM, false}, {syscall.SIGINT, false}, {syscall.SIGQUIT, false}, {syscall.SIGINT, true}} {
		t.Run(fmt.Sprintf("%v twice %v", c.sig, c.twice), func(t *testing.T) {
			role := "consumer"
			if c.twice {
				role = "stubborn" // only the second INT ends it at once
			}
			s := start(t, as(role, "-w", "2", "--transport", "none")...).ready()
			pids := s.pids()
			s.signal(c.sig)
			if c.twice {
				s.expect(`signal action=quit`)
				s.signal(c.sig)
			}
			if code := s.wait(); code != 0 {
				t.Fatalf("exit code %d, want 0", code)
			}
			for pid := range pids {
				if alive(pid) {
					t.Errorf("worker %d outlives gonicorn", pid)
				}
			}
		})
	}
}

func TestScaleBySignals(t *testing.T) {
	t.Parallel()
	s := demo(t, "-w", "2").ready()
	s.signal(syscall.SIGTTIN)
	s.expect(`worker ready worker=3`)
	first := s.expect(`worker started worker=1 pid=(\d+)`)[1]
	s.signal(syscall.SIGTTOU)
	s.expect(`told to finish worker=1 pid=` + first + ` reason="scaled down"`)
	s.signal(syscall.SIGTTOU)
	s.expect(`number of workers changed from=2 to=1`)
	s.expect(`worker gone worker=2`)
	s.signal(syscall.SIGTTOU)
	s.expect(`number of workers changed from=1 to=1`)
	get(t, s.addr(), "/")
	s.stop()
}

func TestReloadAppliesTheConfig(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "gunicorn.toml")
	config := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	config("workers = 2\nbind = [\"127.0.0.1:0\"]\n")
	s := startWith(t, options{dir: dir}, "demo").ready()
	addr := s.addr()
	l := startLoad(t, addr, 4)
	l.served(t, 20)

	s.signal(syscall.SIGTTIN) // HUP resets it
	s.expect(`worker ready worker=3`)
	config("workers = 4\nbind = [\"127.0.0.1:0\"]\n")
	s.signal(syscall.SIGHUP)
	s.expect(`new generation serves generation=2 workers=4`)
	l.served(t, 20)

	config("workers = 0\nbind = 7\n")
	s.signal(syscall.SIGHUP)
	s.expect(`reload failed.*keeps serving.*workers`)
	l.served(t, 20)

	config("workers = 1\nbind = [\"127.0.0.1:0\"]\n")
	s.signal(syscall.SIGHUP)
	s.expect(`new generation serves generation=\d+ workers=1`)
	l.served(t, 20)
	l.expectNoFailure(t)
	eventually(t, "one worker is left", func() bool { return len(s.pids()) == 1 })
	s.stop()
}

func TestReloadMovesToAnotherAddress(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "gunicorn.toml")
	first, second := filepath.Join(dir, "first.sock"), filepath.Join(dir, "second.sock")
	bind := func(path string) {
		t.Helper()
		if err := os.WriteFile(file, []byte("bind = \"unix:"+path+"\"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	bind(first)
	s := startWith(t, options{dir: dir}, "demo").ready()
	get(t, first, "/")
	bind(second)
	s.signal(syscall.SIGHUP)
	s.expect(`new generation serves generation=2`)
	get(t, second, "/")
	eventually(t, "the old socket is gone with its last worker", func() bool {
		_, err := os.Stat(first)
		return os.IsNotExist(err)
	})
	s.stop()
}

func TestReloadOfABrokenAppKeepsTheOldServing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script := filepath.Join(dir, "app.sh")
	app := func(text string) {
		t.Helper()
		if err := os.WriteFile(script+".new", []byte("#!/bin/sh\n"+text), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(script+".new", script); err != nil {
			t.Fatal(err)
		}
	}
	app("echo good; exec sleep 1000\n")
	s := start(t, "-w", "2", "--transport", "none", "--boot-grace", "2s", "--", script).ready()
	old := s.pids()
	app("echo the reason; exit 5\n")
	s.signal(syscall.SIGHUP)
	s.expect(`reload failed.*code 5`)
	s.expect(`the reason`)
	for pid := range old {
		if !alive(pid) {
			t.Errorf("worker %d of the old generation is gone", pid)
		}
	}
	app("echo better; exec sleep 1000\n")
	s.signal(syscall.SIGHUP)
	s.signal(syscall.SIGHUP) // merged, or done after the first
	s.expect(`new generation serves`)
	s.stop()
}

func TestTimeoutsAreKeptDuringAReload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	gate := filepath.Join(dir, "gate")
	s := start(t, as("notifier", "-w", "2", "--notify", "--transport", "none", "-e", "E2E_GATE="+gate)...)
	if err := os.WriteFile(gate, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s.ready()
	if err := os.Remove(gate); err != nil {
		t.Fatal(err)
	}
	old := s.pids()
	s.signal(syscall.SIGHUP) // the new generation waits at the gate
	s.expect(`worker started .*generation=2`)
	for pid, id := range old {
		_ = syscall.Kill(pid, syscall.SIGKILL)
		s.expect(fmt.Sprintf(`worker lost worker=%d pid=%d`, id, pid))
		s.expect(fmt.Sprintf(`worker started worker=%d .*generation=1`, id))
		break
	}
	if err := os.WriteFile(gate, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s.expect(`new generation serves generation=2`)
	s.stop()
}

func TestWinchDrainsAndHupBringsBack(t *testing.T) {
	t.Parallel()
	s := demo(t, "-w", "2").ready()
	s.signal(syscall.SIGWINCH)
	s.expect(`worker gone worker=1`)
	s.expect(`worker gone worker=2`)
	// The listening socket stays: a client waits in its backlog.
	conn, err := net.Dial("tcp", s.addr())
	if err != nil {
		t.Fatalf("the socket closed with the workers: %v", err)
	}
	defer conn.Close()
	s.signal(syscall.SIGHUP)
	s.expect(`new generation serves generation=2`)
	get(t, s.addr(), "/")
	s.stop()
}

func TestReopenLogs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := filepath.Join(dir, "error.log")
	s := start(t, as("consumer", "--transport", "none", "--error-logfile", log)...)
	has := func(path, text string) func() bool {
		return func() bool {
			content, _ := os.ReadFile(path)
			return strings.Contains(string(content), text)
		}
	}
	eventually(t, "the log has lines", has(log, "] ready"))
	if err := os.Rename(log, log+".1"); err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGUSR1)
	eventually(t, "the log is opened again", func() bool { _, err := os.Stat(log); return err == nil })
	s.signal(syscall.SIGTTIN)
	eventually(t, "the new log has lines", has(log, "number of workers changed"))
	s.signal(syscall.SIGTERM)
	if code := s.wait(); code != 0 {
		t.Fatalf("exit code %d, want 0", code)
	}
}

func TestReloadOnChange(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("gunicorn.toml", "workers = 1\n")
	write("app.txt", "1")
	s := startWith(t, options{dir: dir}, append([]string{"--reload", "--reload-config", "--reload-exclude", "*.tmp"},
		as("consumer", "--transport", "none")...)...).ready()
	write("scratch.tmp", "x")
	write("app.txt", "2")
	s.expect(`changed: .*app\.txt`)
	s.expect(`new generation serves generation=2`)
	write("gunicorn.toml", "workers = 2\n")
	s.expect(`new generation serves generation=\d+ workers=2`)
	if strings.Contains(s.log.text(), "scratch.tmp") {
		t.Error("an excluded file was reported")
	}
	s.stop()
}

// A signal can come at any moment of the start.
func TestSignalsDuringStart(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		s := start(t, as("consumer", "-w", "2", "--transport", "none", "--boot-grace", "500ms")...)
		s.expect(`worker started`)
		s.signal(sig)
		if sig == syscall.SIGHUP {
			s.expect(`new generation serves`)
			s.stop()
			continue
		}
		if code := s.wait(); code != 0 {
			t.Fatalf("exit code after %v is %d, want 0", sig, code)
		}
	}
}

func TestDaemon(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pidfile, log := filepath.Join(dir, "g.pid"), filepath.Join(dir, "error.log")
	addr := listenLocal()
	out, err := runOnce(t, "demo", "-D", "-b", addr, "-p", pidfile, "--error-logfile", log)
	if err != nil {
		t.Fatalf("daemonize: %v\n%s", err, out)
	}
	text, err := os.ReadFile(pidfile)
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	fmt.Sscan(string(text), &pid)
	defer syscall.Kill(pid, syscall.SIGKILL) // it should be gone
	if status, _ := get(t, addr, "/"); status != 200 {
		t.Fatalf("status %d from the daemon", status)
	}
	if out, err := runOnce(t, "demo", "-D", "-b", addr); err == nil || !strings.Contains(out, "in use") {
		t.Errorf("a daemon on a taken address: %v, %q; want its error here", err, out)
	}
	if out, err := runOnce(t, "demo", "-b", "127.0.0.1:0", "-p", pidfile); err == nil || !strings.Contains(out, fmt.Sprint(pid)) {
		t.Errorf("a second gonicorn with a live pidfile: %v, %q; want the pid that holds it", err, out)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the daemon is gone", func() bool { return !alive(pid) })
	if _, err := os.Stat(pidfile); !os.IsNotExist(err) {
		t.Errorf("the pidfile is left behind")
	}
}

// runOnce runs gonicorn to its end.
func runOnce(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary(), args...)
	cmd.Dir, cmd.Env = t.TempDir(), cleanEnv()
	out, err := cmd.CombinedOutput()
	return string(out), err
}

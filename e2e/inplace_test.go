//go:build linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// firstProcess starts gonicorn as PID 1 of a container: in a PID namespace.
func firstProcess(t *testing.T, dir, script string, args ...string) *server {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root for a PID namespace")
	}
	return startWith(t, options{dir: dir, shell: "mount --make-rprivate / && mount -t proc proc /proc", attr: &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}},
		append(append([]string{"-b", "127.0.0.1:0"}, args...), "--", script)...)
}

// starter is a script that becomes the test's app, or fails.
func starter(t *testing.T, path string, works bool) {
	t.Helper()
	text := "#!/bin/sh\nexport " + envRole + "=web\nexec " + os.Getenv("E2E_APP") + "\n"
	if !works {
		text = "#!/bin/sh\necho broken\nexit 1\n"
	}
	if err := os.WriteFile(path+".new", []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestPID1BecomesTheNewBinary(t *testing.T) {
	t.Parallel()
	needsLinux(t, "PID namespaces, and children that others have left")
	dir := t.TempDir()
	script := filepath.Join(dir, "app.sh")
	starter(t, script, true)
	s := firstProcess(t, dir, script, "-w", "2", "-k", "event-loop")
	s.ready()
	l := startLoad(t, s.addr(), 3)
	for i := range 5 {
		mark := s.log.mark()
		s.signal(syscall.SIGUSR2)
		s.expectFrom(mark, `replacing this process with the current binary`)
		s.expectFrom(mark, `\[1\] \[INFO\] ready`)
		s.expectFrom(mark, `the processes of the previous binary have been told to finish`)
		l.served(t, 50)
		eventually(t, fmt.Sprintf("only the new children are there, round %d", i), func() bool {
			return len(s.children()) == 4 // guard, two workers, gateway
		})
	}
	// A binary whose app does not start goes back, and the old children serve.
	starter(t, script, false)
	mark := s.log.mark()
	s.signal(syscall.SIGUSR2)
	s.expectFrom(mark, `the new binary does not serve: going back to the previous one`)
	s.expectFrom(mark, `\[1\] \[INFO\] gonicorn `)
	l.served(t, 50)
	starter(t, script, true)
	s.expectFrom(mark, `the processes of the previous binary have been told to finish`)
	l.served(t, 50)
	l.expectNoFailure(t)
	s.signal(syscall.SIGTERM)
	if code := s.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestPID1StaysWhenTheConfigIsBroken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script := filepath.Join(dir, "app.sh")
	starter(t, script, true)
	file := filepath.Join(dir, "gunicorn.toml")
	if err := os.WriteFile(file, []byte("workers = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := firstProcess(t, dir, script)
	s.ready()
	if err := os.WriteFile(file, []byte("workers = many\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGUSR2)
	s.expect(`cannot become the new binary.*rejects the config`)
	if status, _ := get(t, s.addr(), "/"); status != 200 {
		t.Errorf("status %d", status)
	}
	s.stop()
}

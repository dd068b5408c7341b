//go:build linux

package e2e

import (
	"bufio"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// hog takes all processes that its user may have, and takes back what others
// free, until its standard input ends.
const hog = `
import os, select, signal, sys, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
said = False
while not select.select([0], [], [], 0.002)[0]:
    try:
        if os.fork() == 0:
            while True:
                signal.pause()
    except OSError:
        if not said:
            print("full", flush=True)
            said = True
os.killpg(0, signal.SIGKILL)
`

// At the limit of processes and threads nothing of gonicorn dies. What cannot be
// started is started later, and the log names the limit.
func TestLimitOfThreadsKillsNothing(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to be another user")
	}
	python, err := filepath.EvalSymlinks("/usr/bin/python3") // one that the other user may execute
	if err != nil {
		t.Skip("there is no /usr/bin/python3: apt-get install python3")
	}
	text, err := os.ReadFile("python/faults_app.py")
	if err != nil {
		t.Fatal(err)
	}
	dir := openFolder(t) // the other user may not be able to enter this one
	if err := os.WriteFile(filepath.Join(dir, "faults_app.py"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	app := []string{"--python", python, "--chdir", dir}
	for i, kind := range []struct {
		name string
		args []string
	}{
		{"sync", append([]string{"faults_app:wsgi", "-k", "sync"}, app...)},
		{"threaded", append([]string{"faults_app:wsgi", "-k", "threaded", "--threads", "3"}, app...)},
		{"event-loop", append([]string{"faults_app:asgi"}, app...)},
	} {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			limitOfThreadsKillsNothing(t, uint32(54321+i), python, kind.args)
		})
	}
}

func limitOfThreadsKillsNothing(t *testing.T, uid uint32, python string, args []string) {
	// dash says -p where bash says -u.
	const few = `{ if (ulimit -p 100) 2>/dev/null; then ulimit -p 100; else ulimit -u 100; fi; }`
	user := &syscall.Credential{Uid: uid, Gid: uid}
	s := startWith(t, options{
		dir: "/", env: []string{"PYTHONDONTWRITEBYTECODE=1", "TMPDIR=/tmp"}, attr: &syscall.SysProcAttr{Credential: user}, shell: few,
	}, append(args, "-b", "127.0.0.1:0", "-w", "2", "--no-control-socket")...).ready()
	addr, gateway := s.addr(), gatewayPID(s)

	filler := exec.Command("/bin/sh", "-c", few+` && exec "$0" -c "$1"`, python, hog)
	filler.SysProcAttr = &syscall.SysProcAttr{Credential: user, Setpgid: true}
	release, err := filler.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := filler.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := filler.Start(); err != nil {
		t.Fatal(err)
	}
	free := sync.OnceFunc(func() {
		release.Close()
		_ = syscall.Kill(-filler.Process.Pid, syscall.SIGKILL)
		_ = filler.Wait()
	})
	defer free()
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || strings.TrimSpace(line) != "full" {
		t.Fatalf("%q, %v", line, err)
	}

	// Many requests at once, a worker that dies, a reload: all want threads.
	mark := s.log.mark()
	load := func(n int) {
		var all sync.WaitGroup
		for range n {
			all.Go(func() {
				if status, took := ask(context.Background(), http.MethodPost, addr, "/"); status != 200 {
					t.Errorf("status %d after %s at the limit of threads", status, took)
				}
			})
		}
		all.Wait()
	}
	load(100)
	victim := anyOf(s.pids())
	kill(t, victim, syscall.SIGKILL)
	s.expectFrom(mark, `cannot start worker: trying again .*RLIMIT_NPROC is 100 \(ulimit -u.*\); raise it`)
	load(50)
	s.signal(syscall.SIGUSR1)
	if gatewayPID(s) != gateway {
		t.Errorf("the gateway died: %d is %d now", gateway, gatewayPID(s))
	}
	free()
	s.expectFrom(mark, `worker ready`)
	s.allServe(8)
	for _, never := range []string{"gateway lost", "failed to create new OS thread", "goroutine ", "guard lost"} {
		if n := s.count(0, never); n > 0 {
			t.Errorf("%d lines say %q", n, never)
		}
	}
	if n := s.count(mark, "cannot start worker"); n > 12 {
		t.Errorf("%d lines say that a worker cannot be started", n)
	}
	s.stopsWithin(10 * time.Second)
}

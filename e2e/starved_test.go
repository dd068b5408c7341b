//go:build linux

package e2e

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// processHoarder takes all processes that its user may have, and at once what others
// free. When its standard input ends it gives all of them back before it ends.
const processHoarder = `
import os, select, signal
held, said = [], False
while not select.select([0], [], [], 0.0005 if said else 0)[0]:
    try:
        while True:
            pid = os.fork()
            if pid == 0:
                while True:
                    signal.pause()
            held.append(pid)
    except OSError:
        if not said:
            print("full", flush=True)
            said = True
for pid in held:
    os.kill(pid, signal.SIGKILL)
for pid in held:
    os.waitpid(pid, 0)
`

// serverOfOneThread is a command whose requests need neither a thread nor a process.
const serverOfOneThread = `
import os, socket
s = socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=128)
while True:
    c, _ = s.accept()
    with c:
        head = b""
        try:
            while b"\r\n\r\n" not in head:
                more = c.recv(65536)
                if not more:
                    break
                head += more
            else:
                c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        except OSError:
            pass
`

// hoardProcesses takes all processes that a user may have, until the result is called.
func hoardProcesses(t *testing.T, user *syscall.Credential, python, limit string) (giveBack func()) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", limit+` && exec "$0" -c "$1"`, python, processHoarder)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: user, Setpgid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	giveBack = func() {
		if ended {
			return
		}
		ended = true
		in.Close()
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
	}
	t.Cleanup(func() {
		giveBack()
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what a failure has left
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || strings.TrimSpace(line) != "full" {
		t.Fatalf("%q, %v", line, err)
	}
	return giveBack
}

// A Go worker, or a command, that is to be started at the limit of processes either
// cannot be forked or is ended by Go's run time, which gets no thread. Those that serve
// go on, the log names the limit and what to do, nothing starts again and again without
// a pause, and the worker is back within a second once there is room.
func TestStarvedWorkersComeBack(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root, to be another user")
	}
	python, err := filepath.EvalSymlinks("/usr/bin/python3") // one that the other user may execute
	if err != nil {
		t.Skip("there is no /usr/bin/python3: apt-get install python3")
	}
	for i, kind := range []struct {
		name string
		args []string
	}{
		{"handler", []string{"demo"}},
		{"command", []string{"--", python, "-c", serverOfOneThread}},
	} {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			starvedWorkersComeBack(t, uint32(54331+i), python, kind.args)
		})
	}
}

// says counts the lines since a mark that a pattern matches.
func (s *server) says(from int, pattern string) (n int) {
	expr := regexp.MustCompile(pattern)
	for _, line := range s.log.lines(from) {
		if expr.MatchString(line) {
			n++
		}
	}
	return n
}

func starvedWorkersComeBack(t *testing.T, uid uint32, python string, args []string) {
	// dash says -p where bash says -u.
	const few = `{ if (ulimit -p 100) 2>/dev/null; then ulimit -p 100; else ulimit -u 100; fi; }`
	const saysWhy = `RLIMIT_NPROC is 100 \(ulimit -u.*\); raise it`
	user := &syscall.Credential{Uid: uid, Gid: uid}
	own := []string{"-b", "127.0.0.1:0", "-w", "2", "--no-control-socket"}
	s := startWith(t, options{dir: "/", env: []string{"TMPDIR=/tmp"}, attr: &syscall.SysProcAttr{Credential: user}, shell: few},
		slices.Insert(slices.Clone(args), max(0, slices.Index(args, "--")), own...)...).ready()
	says := s.says
	eventually(t, "all processes are ready", func() bool {
		return says(0, `worker ready`) == 2 && says(0, `guard started`) == says(0, `guard ready`)
	})
	giveBack := hoardProcesses(t, user, python, few)
	mark := s.log.mark()
	for lacks := false; !lacks; { // a worker may come up before its place is taken
		from := s.log.mark()
		kill(t, anyOf(s.pids()), syscall.SIGKILL)
		s.expectFrom(from, `worker lost`)
		eventually(t, "another worker is ready, or the limit is named", func() bool {
			lacks = says(from, saysWhy) > 0
			return lacks || s.count(from, `worker ready`) > 0
		})
	}
	short := s.log.mark()
	s.allServe(20)
	time.Sleep(2 * time.Second) // how often it tries
	s.allServe(20)
	if n := says(short, `worker (started|lost)|cannot start worker`); n > 20 {
		t.Errorf("%d lines about tries in 2 s", n)
	}
	if n := says(mark, saysWhy); n > 3 {
		t.Errorf("%d lines name the limit", n)
	}
	if n := says(mark, `\[(INFO|ERROR)\] .*(goroutine |runtime stack|fatal error)`); n > 0 {
		t.Errorf("%d lines are of stacks", n)
	}
	if len(s.pids()) == 0 {
		t.Error("no worker is left")
	}
	giveBack()
	w, from := startWatch(), s.log.mark()
	s.expectFrom(from, `worker ready`)
	if took := w.took(); took > time.Second {
		t.Errorf("the worker is back after %s", took)
	}
	s.allServe(20)
	for _, never := range []string{"gateway lost", "guard lost"} {
		if n := s.count(0, never); n > 0 {
			t.Errorf("%d lines say %q", n, never)
		}
	}
	s.stopsWithin(10 * time.Second)
}

// withoutThread is what Go's run time says of a process that gets no thread.
const withoutThread = `runtime: failed to create new OS thread (have 2 already; errno=11)
runtime: may need to increase max user processes (ulimit -u)
fatal error: newosproc

runtime stack:
runtime.throw({0x97bfd1?, 0x0?})
	/usr/local/go/src/runtime/panic.go:1073 +0x48 fp=0x7ffd5a sp=0x7ffd59
runtime.newosproc(0xc000180008)
	/usr/local/go/src/runtime/os_linux.go:195 +0x177

goroutine 1 gp=0xc000002380 m=0 mp=0xd2cf60 [running, locked to thread]:
runtime.main()
	/usr/local/go/src/runtime/proc.go:154 +0x55
created by main.main in goroutine 1
`

// A process of Go's that is forked, and then gets no thread, is no crash of the app's:
// that is so for as long as it lasts, with a pause between the tries, one line that says
// why, and no stacks. What the command here says is what Go's run time would say.
func TestWorkersWithoutThreadsComeBack(t *testing.T) {
	t.Parallel()
	lack := filepath.Join(t.TempDir(), "lack")
	const starts = `
import sys, os
if os.path.exists(sys.argv[1]):
    sys.stderr.write(sys.argv[2])
    sys.exit(2)
`
	s := startWith(t, options{}, "-b", "127.0.0.1:0", "-w", "2", "--", interpreter(t), "-c", starts+serverOfOneThread, lack, withoutThread).ready()
	eventually(t, "both are ready", func() bool { return s.says(0, `worker ready`) == 2 })
	if err := os.WriteFile(lack, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	mark := s.log.mark()
	kill(t, anyOf(s.pids()), syscall.SIGKILL)
	s.expectFrom(mark, `\[ERROR\].* worker lost .*it got no thread: .*(raise it|sysctl)`)
	eventually(t, "it is tried again and again", func() bool { return s.says(mark, `worker started`) >= 5 })
	s.allServe(20)
	if n := s.says(mark, `\[ERROR\].*it got no thread`); n > 2 {
		t.Errorf("%d lines name the limit", n)
	}
	if n := s.says(mark, `\[(INFO|ERROR)\] .*(goroutine |runtime|fatal error|panic\.go)`); n > 0 {
		t.Errorf("%d lines are of stacks", n)
	}
	if err := os.Remove(lack); err != nil {
		t.Fatal(err)
	}
	w, from := startWatch(), s.log.mark()
	s.expectFrom(from, `worker ready`)
	if took := w.took(); took > time.Second {
		t.Errorf("the worker is back after %s", took)
	}
	s.stopsWithin(10 * time.Second)
}

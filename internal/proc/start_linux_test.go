package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gonicorn/gonicorn/internal/platform"
	"github.com/gonicorn/gonicorn/internal/wire"
)

func TestStart(t *testing.T) {
	dir := t.TempDir()
	before := syscall.Umask(0o27)
	defer syscall.Umask(before)
	c := start(t, "say", func(s *Spec) {
		s.Dir, s.Umask = dir, 0o77
		s.Env = append(s.Env, "X=first", "X=last")
	})
	want := fmt.Sprintf("pid=%d pgid=%d umask=77 dir=%s", c.pid, c.pid, dir)
	if got := c.line(); !strings.HasPrefix(got, want) || !strings.HasSuffix(got, " X=last") {
		t.Errorf("got %s, want %s", got, want)
	}
	if now := syscall.Umask(0o27); now != 0o27 {
		t.Errorf("this process's umask became %o", now)
	}
	if got := start(t, "say", nil).line(); !strings.Contains(got, " umask=27 ") {
		t.Errorf("without a umask it is not inherited: %s", got)
	}
}

func TestStartAsAnotherUser(t *testing.T) {
	if platform.Portable {
		t.Skip("needs /proc/self/exe")
	}
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	folder := t.TempDir() // 0700: nobody else can read what is below
	binary := filepath.Join(folder, "binary")
	text, err := os.ReadFile(Self())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(binary, text, 0o755); err != nil {
		t.Fatal(err)
	}
	c := start(t, "say", func(s *Spec) {
		s.Dir, s.Credential = "/", &Credential{UID: 65534, GID: 65533, Groups: []int{65533, 65532}}
	})
	if got := c.line(); !strings.Contains(got, " uid=65534 gid=65533 groups=[65533 65532]") && !strings.Contains(got, " uid=65534 gid=65533 groups=[65532 65533]") {
		t.Errorf("got %s", got)
	}
}

func TestStartErrors(t *testing.T) {
	if _, err := Start(Spec{Path: "/no/such/program", Args: []string{"x"}, Umask: -1}); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "/no/such/program") {
		t.Errorf("a missing program gave %v", err)
	}
	if _, err := Start(Spec{Path: Self(), Args: []string{"x"}, Dir: "/no/such/folder", Umask: -1}); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "--chdir") {
		t.Errorf("a missing folder gave %v", err)
	}
	if err := Signal(0, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("signalling pid 0 gave %v", err)
	}
	if err := SignalGroup(1, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("signalling group 1, which is everybody, gave %v", err)
	}
}

func TestGroupAlive(t *testing.T) {
	c := start(t, "wait", nil).ready()
	if !GroupAlive(c.pid) {
		t.Error("a living group is not alive")
	}
	if err := SignalGroup(c.pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if e := c.wait(); e.Signal() != syscall.SIGKILL {
		t.Errorf("it %v", e)
	}
	if GroupAlive(c.pid) || GroupAlive(0) || GroupAlive(-1) {
		t.Error("a group that is gone is alive")
	}
}

func TestExecCommand(t *testing.T) {
	sh, err := LookPath("sh", "", os.Environ())
	if err != nil {
		t.Skip(err)
	}
	c := start(t, "", func(s *Spec) {
		s.Path, s.Args, s.Umask = sh, []string{"my-name", "-c", `echo $$ $0 $(umask); env`}, 0o37
		s.Env = []string{
			"PATH=" + os.Getenv("PATH"), "KEEP=1", wire.EnvWorkerID + "=4", wire.EnvGeneration + "=2", wire.EnvSocket + "=/run/s",
			wire.EnvListenFDs + "=1", wire.EnvListenPID + "=1", wire.EnvWatchdogUsec + "=5", wire.EnvWatchdogPID + "=1",
			wire.EnvPage + "=3", wire.EnvLifeline + "=3", wire.EnvWorker + "={}", wire.EnvControl + "=3",
		}
		*s = ExecCommand(*s)
	})
	if got, want := c.line(), fmt.Sprintf("%d my-name 0037", c.pid); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	got := map[string]string{}
	for line := range strings.Lines(c.rest()) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		got[name] = value
	}
	pid := fmt.Sprint(c.pid)
	for name, want := range map[string]string{
		"KEEP": "1", wire.EnvWorkerID: "4", wire.EnvGeneration: "2", wire.EnvSocket: "/run/s",
		wire.EnvListenFDs: "1", wire.EnvListenPID: pid, wire.EnvWatchdogUsec: "5", wire.EnvWatchdogPID: pid,
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	for _, name := range []string{wire.EnvRole, wire.EnvPage, wire.EnvLifeline, wire.EnvWorker, wire.EnvControl, envExecPath} {
		if value, is := got[name]; is {
			t.Errorf("%s=%s reaches the command", name, value)
		}
	}
	// Without sockets and watchdog, nobody's pid is named.
	for _, kv := range commandEnv([]string{wire.EnvListenPID + "=1", wire.EnvWatchdogPID + "=1"}, 7) {
		t.Errorf("%s is left", kv)
	}
}

func TestExecFailures(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for path, want := range map[string]struct {
		code int
		says string
	}{
		filepath.Join(dir, "missing"):                    {ExitNotFound, "no such file"},
		write("plain", "echo hi\n", 0o755):               {ExitNotExecutable, "#!"},
		write("orphan", "#!/no/such/interpreter", 0o755): {ExitNotExecutable, "interpreter"},
		write("locked", "#!/bin/sh\n", 0o644):            {ExitNotExecutable, "permission denied"},
		dir:                                              {ExitNotExecutable, "permission denied"},
	} {
		c := start(t, "", func(s *Spec) {
			s.Path, s.Files[2] = path, s.Files[1]
			*s = ExecCommand(*s)
		})
		line := c.line()
		if !strings.Contains(line, path) || !strings.Contains(line, want.says) {
			t.Errorf("%s says %q, want %q", path, line, want.says)
		}
		if more := c.rest(); more != "" {
			t.Errorf("%s says more: %q", path, more)
		}
		if e := c.wait(); e.Code() != want.code {
			t.Errorf("%s %v, want %d", path, e, want.code)
		}
	}
}

func TestTitle(t *testing.T) {
	c := start(t, "title", func(s *Spec) { s.Args = []string{"a-name-with-some-room", "argument", "--more", "and-more"} })
	if got := c.line(); got != "argument ument" {
		t.Errorf("the arguments became %q", got)
	}
	c.ready()
	read := func(name string) string {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", c.pid, name))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimRight(string(text), "\x00\n")
	}
	if got := read("cmdline"); got != "gonicorn: test" {
		t.Errorf("ps shows %q", got)
	}
	if got := read("comm"); got != "gonicorn: test" {
		t.Errorf("the name is %q", got)
	}
	if got := read("environ"); !strings.Contains(got, envTestRole+"=title") {
		t.Error("the title went beyond the arguments")
	}
}

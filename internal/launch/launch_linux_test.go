package launch

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/gonicorn/gonicorn/arbiter"
	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/internal/errorlog"
	"github.com/gonicorn/gonicorn/internal/listen"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/wire"
)

func host(t *testing.T) (*Host, func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	logs, err := errorlog.Open(&config.Config{Errorlog: path, Gateway: config.Gateway{Loglevel: "info"}})
	if err != nil {
		t.Fatal(err)
	}
	h, err := NewHost(logs, proc.NewHelpers(func() {}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h, func() string {
		logs.Close()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
}

// shell is a launcher of a shell command.
func shell(h *Host, script string) *Launcher {
	return &Launcher{Host: h, Role: "worker", Capture: true,
		Spec: proc.Spec{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Dir: "/", Umask: -1, Env: []string{"PATH=/usr/bin:/bin"}}}
}

// end waits for a process that this one has started.
func end(t *testing.T, p arbiter.Process) {
	t.Helper()
	<-p.Output.Done()
	process, err := os.FindProcess(p.PID)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = process.Wait()
	if err := p.Output.Close(); err != nil {
		t.Error(err)
	}
}

// A process is told its place, gets its sockets from 3 up, and what it writes is
// logged with its number.
func TestLaunch(t *testing.T) {
	h, logged := host(t)
	sock, err := listen.Open(listen.Address{Network: "tcp4", Host: "127.0.0.1"}, listen.Options{Backlog: 1, UID: -1, GID: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sock.Close() })
	l := shell(h, `echo "worker $GONICORN_WORKER_ID of $GONICORN_GENERATION; $(readlink /proc/$$/fd/3 | cut -c1-6); page $GONICORN_SLOT_FD"`)
	l.Sockets, l.Inside = []*listen.Socket{sock}, true
	if err := h.Board.Renew(0); err != nil {
		t.Fatal(err)
	}
	p, err := l.Launch(arbiter.Place{ID: 3, Generation: 2, Age: 9})
	if err != nil {
		t.Fatal(err)
	}
	end(t, p)
	if h.Age() != 9 {
		t.Errorf("the last worker's age is %d", h.Age())
	}
	if got := logged(); !strings.Contains(got, "worker 3 of 2; socket; page 5") || !strings.Contains(got, "worker=3 pid="+strconv.Itoa(p.PID)) {
		t.Error(got)
	}
}

// source has one worker.
type source struct{ left int }

func (s *source) Launch(arbiter.Place) (arbiter.Process, bool, error) {
	if s.left--; s.left < 0 {
		return arbiter.Process{}, false, nil
	}
	return arbiter.Process{PID: 77}, true, nil
}

func (s *source) Close() {}

// A source's workers go first; when it has none left, one is started.
func TestSource(t *testing.T) {
	h, _ := host(t)
	l := shell(h, "true")
	l.Source = &source{left: 1}
	if p, err := l.Launch(arbiter.Place{ID: 1}); err != nil || p.PID != 77 {
		t.Errorf("%+v %v", p, err)
	}
	p, err := l.Launch(arbiter.Place{ID: 2})
	if err != nil || p.PID == 77 {
		t.Fatalf("%+v %v", p, err)
	}
	end(t, p)
}

// What a process gets for itself is freed when it cannot be started.
func TestEquipmentIsFreed(t *testing.T) {
	h, _ := host(t)
	l := shell(h, "true")
	l.Spec.Path = "/nowhere/program"
	var told error
	l.Equip = func(arbiter.Place, *proc.Spec) (Equipment, error) {
		return Equipment{Started: func(err error) { told = err }}, nil
	}
	if _, err := l.Launch(arbiter.Place{ID: 1}); err == nil || !errors.Is(err, told) {
		t.Errorf("%v, and the equipment heard %v", err, told)
	}
	if err := h.Pipes(func(all []Pipe) error {
		if len(all) != 0 {
			t.Errorf("pipes left: %v", all)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// Pipes that are read are known, for whoever takes them over.
func TestPipes(t *testing.T) {
	h, logged := host(t)
	r, w, err := proc.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out := h.Read("gateway", r, 0, 12)
	_ = h.Pipes(func(all []Pipe) error {
		if len(all) != 1 || all[0] != (Pipe{FD: r, Role: "gateway", PID: 12}) {
			t.Errorf("%v", all)
		}
		return nil
	})
	file := os.NewFile(uintptr(w), "pipe")
	if _, err := file.WriteString(`{"level":"WARN","msg":"careful"}` + "\nplain\n"); err != nil {
		t.Fatal(err)
	}
	file.Close()
	<-out.Done()
	_ = out.Close()
	_ = h.Pipes(func(all []Pipe) error {
		if len(all) != 0 {
			t.Errorf("still known: %v", all)
		}
		return nil
	})
	if got := logged(); !strings.Contains(got, "careful role=gateway") || !strings.Contains(got, "plain role=gateway pid=12") {
		t.Error(got)
	}
}

func TestEnviron(t *testing.T) {
	t.Setenv(wire.EnvRole, wire.RoleWorker)
	t.Setenv("LAUNCH_TEST", "here")
	env := strings.Join(Environ(&config.Config{Chdir: "/srv", FileEnv: []string{"F=1", wire.EnvRole + "=x"}, RawEnv: []string{"R=2"}}), "\n") + "\n"
	for _, want := range []string{"LAUNCH_TEST=here\n", "PWD=/srv\n", "F=1\n", "R=2\n"} {
		if !strings.Contains(env, want) {
			t.Errorf("no %q", want)
		}
	}
	if strings.Contains(env, wire.EnvRole+"=") {
		t.Error("a worker is told the role of its starter")
	}
	if Title("guard", &config.Config{ProcName: "shop"}) != "gonicorn: guard [shop]" || Title("guard", &config.Config{}) != "gonicorn: guard" {
		t.Error("titles")
	}
	if ListenEnv(nil) != nil || PortEnv(nil) != nil || bytes.Contains([]byte(env), []byte("LISTEN_FDS=")) {
		t.Error("sockets where there are none")
	}
}

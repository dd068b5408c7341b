package template

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/arbiter"
	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/internal/errcode"
	"github.com/gonicorn/gonicorn/internal/errorlog"
	"github.com/gonicorn/gonicorn/internal/launch"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/wire"
	"github.com/gonicorn/gonicorn/workers/python"
	"golang.org/x/sys/unix"
)

// loads is a generation of a Python app with this source.
func loads(t *testing.T, source string) (Options, python.Settings) {
	t.Helper()
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3: apt-get install python3")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "shop.py"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	logs, err := errorlog.Open(&config.Config{Errorlog: filepath.Join(dir, "log"), Gateway: config.Gateway{Loglevel: "info"}})
	if err != nil {
		t.Fatal(err)
	}
	host, err := launch.NewHost(logs, proc.NewHelpers(func() {}))
	if err != nil {
		t.Fatal(err)
	}
	if err := host.OpenRunner(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { host.Close(); logs.Close() })
	l := &launch.Launcher{Host: host, Role: "worker", Capture: true, Spec: proc.Spec{
		Path: path, Args: python.Args(python.Interpreter{Path: path}), Env: os.Environ(), Dir: dir, Umask: -1, NewSession: true,
	}}
	set := python.Settings{App: "shop:app", Class: "sync", Threads: 1, Chdir: dir, Captured: true}
	return Options{
		Launcher: l, Generation: 1, Limit: time.Minute,
		Own:   func(_, fd int) { unix.Close(fd) },
		Renew: func(arbiter.Renewal) {},
	}, set
}

// told has the launcher's processes told this.
func told(t *testing.T, o Options, set python.Settings) {
	t.Helper()
	text, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	o.Launcher.Spec.Env = append(o.Launcher.Spec.Env, wire.EnvWorker+"="+string(text))
}

const good = "def app(environ, start_response): pass\n"

// The first workers say what the app is; each has its place once.
func TestFirstWorkers(t *testing.T) {
	o, set := loads(t, "async def app(scope, receive, send): pass\n")
	set.Class = ""
	first, err := StartFirst(o, set, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	said, err := first.Await(t.Context(), "shop:app")
	if err != nil || said.Class != "event-loop" {
		t.Fatalf("%+v %v", said, err)
	}
	pids := map[int]bool{}
	for slot := range 3 {
		if err := o.Launcher.Host.Board.Renew(slot); err != nil {
			t.Fatal(err)
		}
		process, has, err := first.Launch(arbiter.Place{ID: slot + 1, Slot: slot, Generation: 1})
		if err != nil || has != (slot < 2) {
			t.Fatalf("place %d: %v %v", slot, has, err)
		}
		if has {
			pids[process.PID] = true
			_ = proc.SignalGroup(process.PID, unix.SIGKILL)
		}
	}
	if len(pids) != 2 {
		t.Errorf("workers %v", pids)
	}
}

// An app that is not there and one that fails have different codes.
func TestWhyThereIsNoTemplate(t *testing.T) {
	for source, want := range map[string]struct {
		code string
		exit int
	}{
		"other = 1\n":          {"GON011", errcode.ExitAppMissing},
		"import no_such_one\n": {"GON011", errcode.ExitAppMissing},
	} {
		o, set := loads(t, source)
		told(t, o, set)
		_, err := Start(t.Context(), o)
		if errcode.Of(err) != want.code || errcode.Exit(err) != want.exit {
			t.Errorf("%q: %v [%s], exit %d", source, err, errcode.Of(err), errcode.Exit(err))
		}
	}
}

// A template forks a worker for each place, whose output is its own; the one that is
// closed forks no more.
func TestTemplateForks(t *testing.T) {
	o, set := loads(t, good)
	told(t, o, set)
	origin, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Launcher.Host.Board.Renew(0); err != nil {
		t.Fatal(err)
	}
	process, has, err := origin.Launch(arbiter.Place{ID: 1, Generation: 1})
	if err != nil || !has || process.PID <= 0 || process.Output == nil {
		t.Fatalf("%+v %v %v", process, has, err)
	}
	if text, err := os.ReadFile("/proc/" + strconv.Itoa(process.PID) + "/cmdline"); err != nil || !strings.Contains(string(text), "gonicorn") {
		t.Errorf("%q %v", text, err)
	}
	_ = proc.SignalGroup(process.PID, unix.SIGKILL)
	origin.Close()
	if _, _, err := origin.Launch(arbiter.Place{ID: 2, Generation: 1}); !errors.Is(err, arbiter.ErrLater) {
		t.Errorf("a closed template: %v", err)
	}
}

// What the operator stops is given up at once.
func TestStartIsGivenUp(t *testing.T) {
	o, set := loads(t, "import time; time.sleep(60)\n"+good)
	told(t, o, set)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("stopped")
	time.AfterFunc(200*time.Millisecond, func() { cancel(why) })
	if _, err := Start(ctx, o); !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
}

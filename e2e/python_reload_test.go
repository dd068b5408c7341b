//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
)

func TestPythonWorkersAreReplacedByAgeWithoutLoss(t *testing.T) {
	t.Parallel()
	for _, app := range []string{"plain:app", "plain:asgi"} {
		t.Run(app, func(t *testing.T) {
			t.Parallel()
			s := python(t, app, "-w", "2", "--max-requests", "50").ready()
			l := startLoad(t, s.addr(), 4)
			s.expect(`worker is told to finish.*max_requests`)
			s.expect(`worker gone.*max_requests`)
			l.stop()
			if l.failed.Load() > 0 {
				t.Errorf("%d of %d requests failed: %v", l.failed.Load(), l.done.Load(), l.first.Load())
			}
			s.stop()
		})
	}
}

func TestPythonReloadsWithoutLossAndKilledWorkersToo(t *testing.T) {
	t.Parallel()
	for _, app := range []string{"plain:app", "plain:asgi"} {
		t.Run(app, func(t *testing.T) {
			t.Parallel()
			s := python(t, app, "-w", "2").ready()
			l := startLoad(t, s.addr(), 4)
			for range 3 {
				mark := s.log.mark()
				s.signal(syscall.SIGHUP)
				s.expectFrom(mark, `new generation serves`)
			}
			for range 3 {
				mark := s.log.mark()
				_ = syscall.Kill(newestOf(t, s), syscall.SIGKILL)
				s.expectFrom(mark, `worker ready`)
			}
			mark := s.log.mark()
			l.stop()
			if l.failed.Load() > 0 {
				t.Errorf("%d of %d requests failed: %v", l.failed.Load(), l.done.Load(), l.first.Load())
			}
			_ = syscall.Kill(gatewayPID(s), syscall.SIGKILL)
			s.expectFrom(mark, `gateway ready`)
			if r, _ := fetch(t, "GET", "http://"+s.addr()+"/", nil); r.StatusCode != 200 {
				t.Errorf("after the gateway's death: %d", r.StatusCode)
			}
			s.stop()
		})
	}
}

// newestOf is the worker that was ready last.
func newestOf(t *testing.T, s *server) int {
	t.Helper()
	all := regexp.MustCompile(`worker ready .*pid=(\d+)`).FindAllStringSubmatch(s.log.text(), -1)
	if len(all) == 0 {
		t.Fatal("no worker has been ready")
	}
	pid, _ := strconv.Atoi(all[len(all)-1][1])
	return pid
}

func TestPythonReloadShowsChangedCode(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(dir, "main.py"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	code := func(v int) string {
		return "def app(e, s):\n    s('200 OK', [])\n    return [b'version " + strconv.Itoa(v) + "']\n"
	}
	write(code(1))
	s := startWith(t, options{dir: dir, env: []string{"PYTHONDONTWRITEBYTECODE=1"}}, "main:app", "-b", "127.0.0.1:0", "--reload", "--python", interpreter(t)).ready()
	answers := func(want string) func() bool {
		return func() bool { _, body := fetch(t, "GET", "http://"+s.addr()+"/", nil); return body == want }
	}
	eventually(t, "version 1", answers("version 1"))
	mark := s.log.mark()
	write("def app(e, s:\n")
	s.expectFrom(mark, `syntax error in main.py:1`)
	write(code(2))
	eventually(t, "version 2", answers("version 2"))
	s.stop()
}

func TestPythonReloadWatchesImportedModules(t *testing.T) {
	t.Parallel()
	dir, lib := t.TempDir(), t.TempDir()
	app := "import outside\ndef app(e, s):\n    s('200 OK', [])\n    return [outside.TEXT]\n"
	if err := os.WriteFile(filepath.Join(dir, "main.py"), []byte(app), 0o600); err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(lib, "outside.py"), []byte("TEXT = b'"+text+"'\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first")
	s := startWith(t, options{dir: dir, env: []string{"PYTHONDONTWRITEBYTECODE=1"}}, "main:app", "-b", "127.0.0.1:0", "--reload",
		"--pythonpath", lib, "--python", interpreter(t)).ready()
	write("second")
	eventually(t, "the changed module serves", func() bool {
		_, body := fetch(t, "GET", "http://"+s.addr()+"/", nil)
		return body == "second"
	})
	s.stop()
}

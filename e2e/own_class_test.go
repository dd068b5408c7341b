//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gonicorn/gonicorn/internal/platform"
)

// ownClass writes an app and its worker class, and starts it.
func ownClass(t *testing.T, class string, args ...string) *server {
	t.Helper()
	return startWith(t, options{dir: ownClassFolder(t, class), env: []string{"PYTHONDONTWRITEBYTECODE=1"}},
		append([]string{"main:app", "-k", "own.Own", "-b", "127.0.0.1:0", "--python", interpreter(t)}, args...)...)
}

func ownClassFolder(t *testing.T, class string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"own.py": class, "main.py": `import os, sys, threading
worker = None
def app(environ, start_response):
    start_response("200 OK", [])
    said = [type(worker).__name__, " ".join(sorted(t.name for t in threading.enumerate()))] if worker else ["no worker"]
    return [("; ".join(said + [environ["SCRIPT_NAME"], os.environ.get("SAID", "")])).encode()]
async def asgi(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": ("asgi " + scope["root_path"]).encode()})
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// everything overrides all that Gunicorn's documents name.
const everything = `import os, sys, threading
class Own(BASE):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.beats = 0
    def init_process(self):
        os.environ["SAID"] = "before the app"
        print("the app is loaded" if "main" in sys.modules else "the app is to be loaded", flush=True)
        threading.Thread(target=threading.Event().wait, name="of-the-class", daemon=True).start()
        super().init_process()
        print("after the last request", flush=True)
    def load_wsgi(self):
        super().load_wsgi()
        sys.modules["main"].worker = self
    def run(self):
        print("runs", self.booted, self.age, self.cfg.workers, self.cfg.worker_class, flush=True)
        super().run()
    def notify(self):
        super().notify()
        self.beats += 1
        if self.beats == 2:
            print("second beat", flush=True)
    def handle_exit(self, sig, frame):
        print("told to finish", sig, flush=True)
        super().handle_exit(sig, frame)
    def handle_quit(self, sig, frame):
        print("told to end", sig, flush=True)
        super().handle_quit(sig, frame)
`

// What users of Gunicorn's custom classes override is called, in every class.
func TestOwnWorkerClass(t *testing.T) {
	t.Parallel()
	for base, served := range map[string]string{
		"from gunicorn.workers.sync import SyncWorker as BASE\n":      "sync",
		"from gunicorn.workers.gthread import ThreadWorker as BASE\n": "threaded",
		"from gonicorn.workers import GeventWorker as BASE\n":         "gevent",
		"from uvicorn.workers import UvicornWorker as BASE\n":         "event-loop",
	} {
		t.Run(served, func(t *testing.T) {
			t.Parallel()
			forks := served == "threaded" && !platform.Portable
			s := ownClass(t, base+everything, "--start-method", map[bool]string{true: "fork", false: "spawn"}[forks]).ready()
			s.expect(`worker class: ` + served)
			s.expect(`runs True \d+ 1 own.Own`)
			code, body := get(t, s.addr(), "/")
			s.expect(map[bool]string{true: `the app is loaded`, false: `the app is to be loaded`}[forks]) // by the template
			if code != 200 || !strings.HasPrefix(body, "Own; ") || !strings.Contains(body, "of-the-class") || !strings.Contains(body, "before the app") {
				t.Errorf("%d %q", code, body)
			}
			s.expect(`second beat`)
			mark := s.log.mark()
			s.signal(syscall.SIGHUP)
			s.expectFrom(mark, `runs True`)
			s.expectFrom(mark, `told to finish 15`)
			s.expectFrom(mark, `after the last request`)
			s.expectFrom(mark, `worker gone`)
			mark = s.log.mark()
			for pid := range s.pids() {
				if err := syscall.Kill(pid, syscall.SIGQUIT); err != nil {
					t.Error(err)
				}
			}
			s.expectFrom(mark, `told to end 3`)
			s.stop()
		})
	}
}

// CONFIG_KWARGS say what the settings say, unless somebody has chosen otherwise.
func TestOwnWorkerClassWithKwargs(t *testing.T) {
	t.Parallel()
	class := `from uvicorn.workers import UvicornWorker
class Own(UvicornWorker):
    CONFIG_KWARGS = {"loop": "asyncio", "http": "httptools", "lifespan": "off", "root_path": "/kwargs", "headers": [("X-From", "kwargs")], "h11_max_incomplete_event_size": 1}
`
	dir := ownClassFolder(t, class)
	for want, args := range map[string][]string{"asgi /kwargs": nil, "asgi /chosen": {"--root-path", "/chosen"}} {
		s := startWith(t, options{dir: dir, env: []string{"PYTHONDONTWRITEBYTECODE=1"}},
			append([]string{"main:asgi", "-k", "own.Own", "-b", "127.0.0.1:0", "--python", interpreter(t)}, args...)...).ready()
		resp, body := fetch(t, "GET", "http://"+s.addr()+"/", nil)
		if from := resp.Header.Get("X-From"); body != want || from != "kwargs" {
			t.Errorf("%v: %q with %q, want %q", args, body, from, want)
		}
		s.expect(`h11_max_incomplete_event_size has no (counterpart|effect)`)
		s.stop()
	}
}

// A class that gives no sign of life is replaced. The other reasons are tested in
// workers/python/tests, and so are the words for a class that cannot be used.
func TestOwnWorkerClassIsReplaced(t *testing.T) {
	t.Parallel()
	s := ownClass(t, "from gunicorn.workers.sync import SyncWorker\nclass Own(SyncWorker):\n    def notify(self): pass\n", "--timeout", "1").ready()
	s.expect(`worker is told to finish .*reason="it asked for it"`)
	s.stop()
}

// What is wrong with a class is said once, with what to do.
func TestOwnWorkerClassThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	s := ownClass(t, "from gunicorn.workers.base import Worker\nclass Own(Worker): pass\n")
	if code := s.wait(); code != 3 && code != 4 {
		t.Errorf("exit code %d", code)
	}
	s.expect(`derive it from SyncWorker`)
	s = ownClass(t, "nonsense\n")
	if code := s.wait(); code != 1 {
		t.Errorf("a module that fails: exit code %d", code)
	}
	s.expect(`"own.Own" cannot be read: NameError`)
	s = start(t, "-k", "own.Own", "-b", "127.0.0.1:0", "--", "sleep", "60")
	if code := s.wait(); code != 1 {
		t.Errorf("a command: exit code %d", code)
	}
	s.expect(`"own.Own" cannot be read: ModuleNotFoundError`)
}

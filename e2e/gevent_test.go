//go:build linux

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/coder/websocket"
)

// folderOf writes files into a new folder, by name.
func folderOf(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// psycogreen is a gunicorn.conf.py as shops with gevent and PostgreSQL have it.
const psycogreen = `worker_class = "gevent"
worker_connections = 50

def post_fork(server, worker):
    from psycogreen.gevent import patch_psycopg
    patch_psycopg()
    worker.log.info("made psycopg green")
`

// P10, Y9: -k gevent is gevent: patched before the app is loaded, a greenlet a
// request on one hub, and hooks, as under gunicorn.
func TestGevent(t *testing.T) {
	t.Parallel()
	conf := filepath.Join(folderOf(t, map[string]string{"gunicorn.conf.py": psycogreen}), "gunicorn.conf.py")
	at := freePort(t)
	startRival(t, appFolder(t), nil, "gunicorn", "gevent_app:app", "-c", conf, "-b", at).answers(at, "/")
	_, want := get(t, at, "/facts")
	for name, args := range map[string][]string{"spawn": nil, "fork": {"--start-method", "fork"}, "preload": {"--preload"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name != "spawn" {
				needsLinux(t, forking)
			}
			s := python(t, "gevent_app:app", append([]string{"-c", conf}, args...)...).ready()
			s.expect(`made psycopg green`)
			if _, got := get(t, s.addr(), "/facts"); got != want {
				t.Errorf("an app sees\n%s\nunder gunicorn\n%s", got, want)
			}
			const many = 30
			var all sync.WaitGroup
			for range many { // in one worker, or the barrier breaks
				all.Go(func() {
					if status, _, err := tryGet(t.Context(), s.addr(), fmt.Sprintf("/meet?%d", many)); err != nil || status != 200 {
						t.Errorf("%d, %v", status, err)
					}
				})
			}
			all.Wait()
			for path, want := range map[string]string{"/child": "killed by 15", "/timeout": "ok", "/": "ok"} {
				if status, got := get(t, s.addr(), path); status != 200 || got != want {
					t.Errorf("%s: %d %s, want %s", path, status, got, want)
				}
			}
			if status, _ := get(t, s.addr(), "/exit"); status != 500 {
				t.Errorf("sys.exit in a view: %d", status)
			}
			resp, body := fetch(t, "POST", "http://"+s.addr()+"/upload", bytes.NewReader(make([]byte, 3<<20)))
			if resp.StatusCode != 200 || body != fmt.Sprint(3<<20) {
				t.Errorf("upload: %d %s", resp.StatusCode, body)
			}
			if _, body := get(t, s.addr(), "/stream"); len(body) != 1_000_000 {
				t.Errorf("stream: %d bytes", len(body))
			}
			mark := s.log.mark()
			s.signal(syscall.SIGHUP)
			s.expectFrom(mark, `new generation serves`)
			if _, got := get(t, s.addr(), "/facts"); got != want {
				t.Errorf("after a reload: %s", got)
			}
			s.stop()
		})
	}
}

// Hooks of a worker may wait, also at a quick stop, where the
// config file patches as well.
func TestGeventHooksAtTheEnd(t *testing.T) {
	t.Parallel()
	conf := filepath.Join(folderOf(t, map[string]string{"gunicorn.conf.py": `from gevent import monkey
monkey.patch_all()
worker_class = "gevent"

def worker_int(worker):
    import time
    time.sleep(0.2)
    worker.log.info("hook worker_int")

def worker_exit(server, worker):
    worker.log.info("hook worker_exit")

def child_exit(server, worker):
    server.log.info("hook child_exit")
`}), "gunicorn.conf.py")
	s := python(t, "gevent_app:app", "-c", conf, "-w", "1").ready()
	s.signal(syscall.SIGINT)
	if code := s.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, hook := range []string{"worker_int", "worker_exit", "child_exit"} {
		if n := strings.Count(s.log.text(), "hook "+hook); n != 1 {
			t.Errorf("%s was called %d times", hook, n)
		}
	}
}

// What is in flight is finished at TERM, and a slow reader does not hold others up.
func TestGeventDrains(t *testing.T) {
	t.Parallel()
	s := python(t, "gevent_app:app", "-k", "gevent").ready()
	resp, err := http.Get("http://" + s.addr() + "/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if status, _ := get(t, s.addr(), "/"); status != 200 {
		t.Errorf("beside a slow reader: %d", status)
	}
	s.signal(syscall.SIGTERM)
	if n, err := io.Copy(io.Discard, resp.Body); n != 1_000_000 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	if code := s.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// Without gevent, or with what gevent cannot serve, the start says so, and what
// to type.
func TestGeventMistakes(t *testing.T) {
	t.Parallel()
	missing := folderOf(t, map[string]string{
		"gevent.py": `raise ModuleNotFoundError("No module named 'gevent'", name="gevent")`,
		"main.py":   "def app(environ, start_response): ...\n",
	})
	patched := folderOf(t, map[string]string{
		"main.py": `from gevent import monkey
monkey.patch_all()

def app(environ, start_response):
    start_response("200 OK", [])
    return [b"served"]
`})
	fromConf := folderOf(t, map[string]string{
		"gunicorn.conf.py": "from gevent import monkey\nmonkey.patch_all()\n",
		"main.py":          "def app(environ, start_response): ...\n",
	})
	for name, c := range map[string]struct {
		dir, app string
		args     []string
		code     int
		says     string
	}{
		"not installed":        {missing, "main:app", []string{"-k", "gevent"}, 4, `gevent, which is not installed .* -m pip install gevent`},
		"not installed, check": {missing, "main:app", []string{"-k", "gevent", "--check-config"}, 4, `gevent, which is not installed .* -m pip install gevent`},
		"asgi app":             {appFolder(t), "hangs:asgi", []string{"-k", "gevent"}, 4, `hangs:asgi is an ASGI app, and gevent serves WSGI`},
		"patched, default":     {patched, "main:app", nil, 4, `main:app patches Python with gevent.*take -k gevent.*GON011`},
		"patched, sync":        {patched, "main:app", []string{"-k", "sync", "-w", "2"}, 4, `main:app patches Python with gevent, which worker_class sync cannot serve: take -k gevent.*GON011`},
		"patched by conf":      {fromConf, "main:app", []string{"-k", "sync"}, 4, `gunicorn\.conf\.py patches Python with gevent`},
		"eventlet class":       {patched, "main:app", []string{"-k", "eventlet"}, 1, `does not serve eventlet.*take gevent`},
		"gevent-websocket": {patched, "main:app", []string{"-k", "geventwebsocket.gunicorn.workers.GeventWebSocketWorker"}, 1,
			`take gevent, and in the app simple-websocket`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startWith(t, options{dir: c.dir, env: []string{"PYTHONDONTWRITEBYTECODE=1"}},
				append([]string{c.app, "-b", "127.0.0.1:0", "--python", interpreter(t)}, c.args...)...)
			if code := s.wait(); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			s.expect(c.says)
			for _, worker := range []string{"1", "2"} { // both may get to say so, each once
				if n := strings.Count(s.log.text(), "worker lost worker="+worker+" "); n > 1 {
					t.Errorf("worker %s was started and lost %d times", worker, n)
				}
			}
		})
	}
	for name, args := range map[string][]string{"app": {"-k", "gevent", "--chdir", patched}, "conf": {"-k", "gevent", "--chdir", patched, "-c", filepath.Join(fromConf, "gunicorn.conf.py")}} {
		t.Run("served, patched by "+name, func(t *testing.T) {
			t.Parallel()
			s := startWith(t, options{env: []string{"PYTHONDONTWRITEBYTECODE=1"}}, append(args, "main:app", "-b", "127.0.0.1:0", "--python", interpreter(t))...).ready()
			if status, body := get(t, s.addr(), "/"); status != 200 || body != "served" {
				t.Errorf("%d %s", status, body)
			}
			s.stop()
		})
	}
}

// flask-socketio in gevent mode speaks over WebSockets, as under gunicorn.
func TestFlaskSocketIO(t *testing.T) {
	t.Parallel()
	at := freePort(t)
	startRival(t, appFolder(t), nil, "gunicorn", "socketio_app:app", "-k", "gevent", "-b", at).answers(at, "/")
	want := socketIO(t, at)
	for _, class := range []string{"gevent", "gunicorn.workers.ggevent.GeventWorker"} {
		s := python(t, "socketio_app:app", "-k", class).ready()
		if got := socketIO(t, s.addr()); got != want {
			t.Errorf("%s: %s\nunder gunicorn: %s", class, got, want)
		}
		s.stop()
	}
}

// socketIO is a dialogue in socket.io's protocol: engine.io packets that begin
// with their kind.
func socketIO(t *testing.T, addr string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	c, _, err := websocket.Dial(ctx, "ws://"+addr+"/socket.io/?EIO=4&transport=websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	var said []string
	read := func() {
		_, got, err := c.Read(ctx)
		if err != nil {
			t.Fatalf("after %q: %v", said, err)
		}
		text, _, _ := strings.Cut(string(got), `{"sid"`) // which differs
		said = append(said, text)
	}
	write := func(text string) {
		if err := c.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	read() // open
	write("40")
	read() // connected
	write(`42["shout","hi there"]`)
	read()
	read()
	return strings.Join(said, " ")
}

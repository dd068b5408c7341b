//go:build linux

package e2e

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// confCase is what a config file in conf says of itself in its first lines.
type confCase struct {
	serves, body, refused, signal string
	status                        int
	env, log                      []string
}

func readConf(t *testing.T, path string) confCase {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c := confCase{status: 200}
	for line := range strings.Lines(string(text)) {
		rest, is := strings.CutPrefix(strings.TrimSpace(line), "# ")
		name, value, found := strings.Cut(rest, ": ")
		if !is || !found {
			continue
		}
		switch name {
		case "serves":
			c.serves = value
		case "body":
			c.body = value
		case "refused":
			c.refused = value
		case "signal":
			c.signal = value
		case "status":
			c.status, _ = strconv.Atoi(value)
		case "env":
			c.env = append(c.env, value)
		case "log":
			c.log = append(c.log, value)
		}
	}
	return c
}

// The files in conf are written after what public projects have. Each serves,
// and its hooks run where and with what they run under Gunicorn.
func TestConfigFilesOfTheWild(t *testing.T) {
	t.Parallel()
	files, _ := filepath.Glob("conf/*.conf.py")
	if len(files) < 10 {
		t.Fatalf("%d config files", len(files))
	}
	app, err := os.ReadFile("conf/app.py")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".conf.py"), func(t *testing.T) {
			t.Parallel()
			c := readConf(t, file)
			text, _ := os.ReadFile(file) // it was read before
			dir := confFolder(t, string(text))
			if err := os.WriteFile(filepath.Join(dir, "app.py"), app, 0o600); err != nil {
				t.Fatal(err)
			}
			args := slices.Concat(strings.Fields(c.serves), []string{"-b", "127.0.0.1:0", "--python", interpreter(t)})
			s := startWith(t, options{dir: dir, env: c.env}, args...)
			if c.refused != "" {
				if code := s.wait(); code != 1 || !regexp.MustCompile(c.refused).MatchString(s.log.text()) {
					t.Fatalf("exit code %d, want 1 and %q", code, c.refused)
				}
				return
			}
			s.ready()
			resp, body := fetch(t, "GET", "http://"+s.addr()+"/timed", nil, "User-Agent", "testclient")
			if resp.StatusCode != c.status || !strings.Contains(body, c.body) {
				t.Errorf("status %d, body %q", resp.StatusCode, body)
			}
			if c.signal != "" {
				s.signal(map[string]syscall.Signal{"HUP": syscall.SIGHUP, "QUIT": syscall.SIGQUIT, "TERM": syscall.SIGTERM}[c.signal])
			}
			for _, line := range c.log {
				s.expect(line)
			}
			if c.signal == "" || c.signal == "HUP" {
				s.stop()
			}
			if code := s.wait(); code != 0 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// Commands in [hooks] get the event, are bounded in time, and hold nobody up.
func TestHooksThatAreCommands(t *testing.T) {
	t.Parallel()
	dir := confFolder(t, "")
	toml := `
workers = 1
[hooks]
hook_timeout = 1
on_starting = "echo starting $GONICORN_HOOK; cat"
when_ready = "sleep 600"
child_exit = "echo child $GONICORN_WORKER_ID; cat"
nworkers_changed = "cat; exit 3"
on_exit = "echo the end"
`
	if err := os.WriteFile(filepath.Join(dir, "gunicorn.toml"), []byte(toml), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startWith(t, options{dir: dir}, "versioned:app", "-b", "127.0.0.1:0", "--python", interpreter(t)).ready()
	s.expect(`starting on_starting hook=on_starting`)
	s.expect(`"event":"on_starting".*"workers":1`)
	s.expect(`the hook nworkers_changed failed.*exit status 3`)
	for pid := range s.pids() {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	s.expect(`worker lost`)
	get(t, s.addr(), "/") // while when_ready still sleeps, or has just been killed
	s.expect(`the hook when_ready failed.*took longer than 1s`)
	s.expect(`child 1 hook=child_exit`)
	s.expect(`"event":"child_exit".*"exit":"killed by SIGKILL`)
	s.stop()
	s.expect(`the end hook=on_exit`)
}

// A hook that ends its process, or never returns, is the hook's own trouble.
func TestMasterHooksCannotHoldTheArbiter(t *testing.T) {
	t.Parallel()
	dir := confFolder(t, `
import os, time
workers = 1
hook_timeout = 1
def when_ready(server):
    server.log.info("when_ready ends its process")
    os._exit(9)
def child_exit(server, worker):
    server.log.info("child_exit of %s", worker.pid)
def on_exit(server):
    server.log.info("on_exit sleeps")
    time.sleep(600)
`)
	s := startWith(t, options{dir: dir}, "versioned:app", "-b", "127.0.0.1:0", "--python", interpreter(t)).ready()
	s.expect(`the hook when_ready failed.*the process of the hooks has ended`)
	get(t, s.addr(), "/")
	s.expect(`guard ready`) // a second later the process may be started again
	for pid := range s.pids() {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		s.expect(`child_exit of ` + strconv.Itoa(pid))
	}
	s.stop()
	s.expect(`on_exit sleeps`)
}

// on_starting can say that there is no sense in starting.
func TestOnStartingSaysNo(t *testing.T) {
	t.Parallel()
	dir := confFolder(t, "def on_starting(server):\n    raise RuntimeError('the database is not there')\n")
	s := startWith(t, options{dir: dir}, "versioned:app", "-b", "127.0.0.1:0", "--python", interpreter(t))
	if code := s.wait(); code != 1 || !strings.Contains(s.log.text(), "the hook on_starting failed: RuntimeError: the database is not there") {
		t.Errorf("exit code %d: %s", code, s.log.text())
	}
}

// worker_abort runs in the worker that hangs; a worker whose hook fails is
// replaced like one that cannot boot.
func TestWorkerHooksAtTheEdges(t *testing.T) {
	t.Parallel()
	dir := confFolder(t, "def worker_abort(worker):\n    worker.log.info('aborted %s', worker.pid)\n"+
		"def worker_exit(server, worker):\n    worker.log.info('left %s', worker.pid)\n"+
		"def pre_request(worker, req):\n    worker.log.info('from port %r', req.remote_addr[1])\n")
	slow := "import time\ndef app(environ, start_response):\n    time.sleep(600)\n"
	if err := os.WriteFile(filepath.Join(dir, "slow.py"), []byte(slow), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startWith(t, options{dir: dir}, "slow:app", "-b", "127.0.0.1:0", "-t", "1", "--python", interpreter(t)).ready()
	if status, _ := get(t, s.addr(), "/"); status != 504 {
		t.Errorf("status %d", status)
	}
	s.expect(`from port \d+`)
	s.expect(`aborted \d+`)
	s.expect(`left \d+`)
	s.stop()

	dir = confFolder(t, "def post_fork(server, worker):\n    raise ValueError('no fork today')\n")
	s = startWith(t, options{dir: dir}, "versioned:app", "-b", "127.0.0.1:0", "--python", interpreter(t))
	if code := s.wait(); code != 3 || !strings.Contains(s.log.text(), "the hook post_fork failed: ValueError: no fork today") {
		t.Errorf("exit code %d: %s", code, s.log.text())
	}
}

// A line of the app's log says which request it belongs to.
func TestLogLinesHaveTheirRequestsID(t *testing.T) {
	t.Parallel()
	app := `
import logging
from gonicorn import RequestID, request_id
handler = logging.StreamHandler()
handler.addFilter(RequestID())
handler.setFormatter(logging.Formatter("<%(request_id)s> %(message)s"))
logging.getLogger("mine").addHandler(handler)

def wsgi(environ, start_response):
    logging.getLogger("mine").warning("wsgi %s", environ["gonicorn.request_id"] == request_id())
    start_response("200 OK", [])
    return [b""]

async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    logging.getLogger("mine").warning("asgi %s", scope["gonicorn.request_id"] == request_id())
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})
`
	for _, args := range [][]string{{"wsgi", "sync"}, {"wsgi", "threaded"}, {"wsgi", "event-loop"}, {"asgi", "event-loop"}, {"asgi", "threaded"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "logged.py"), []byte(app), 0o600); err != nil {
				t.Fatal(err)
			}
			s := startWith(t, options{dir: dir}, "logged:"+args[0], "-k", args[1], "-b", "127.0.0.1:0", "--forwarded-allow-ips", "*", "--python", interpreter(t)).ready()
			fetch(t, "GET", "http://"+s.addr()+"/", nil, "X-Request-ID", "mark-7")
			s.expect(`<mark-7> ` + args[0] + ` True`)
			s.stop()
		})
	}
}

// An ASGI app whose client has gone is told, and cancelled after a while.
func TestDisconnectGracePeriod(t *testing.T) {
	t.Parallel()
	app := `
import asyncio

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    print("trace", dict(scope["headers"]).get(b"traceparent", b"").decode())
    await receive()
    try:
        while (await receive())["type"] != "http.disconnect":
            pass
        print("told")
        await asyncio.sleep(600)
    except asyncio.CancelledError:
        print("cancelled")
        raise
`
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "gone.py"), []byte(app), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startWith(t, options{dir: dir}, "gone:app", "-b", "127.0.0.1:0", "--asgi-disconnect-grace-period", "0.2",
		"--access-logfile", "-", "--access-logformat", "json", "--python", interpreter(t)).ready()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, "GET", "http://"+s.addr()+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	req.Header.Set("traceparent", parent)
	go func() {
		if resp, err := http.DefaultTransport.RoundTrip(req); err == nil {
			resp.Body.Close()
		}
	}()
	s.expect(`trace ` + parent)
	cancel()
	s.expect(`told`)
	s.expect(`cancelled`)
	s.expect(`"status":499.*"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"`)
	s.stop()
}

func TestSpew(t *testing.T) {
	t.Parallel()
	dir := confFolder(t, "")
	s := startWith(t, options{dir: dir}, "versioned:app", "-b", "127.0.0.1:0", "--spew", "--python", interpreter(t)).ready()
	get(t, s.addr(), "/")
	s.expect(`versioned:3: start_response\("200 OK"`)
	s.stop()
}

// Python's logging can be set up by a file of either kind as well.
func TestLogConfigFiles(t *testing.T) {
	t.Parallel()
	for flag, text := range map[string]string{
		"--log-config": "[loggers]\nkeys=root,mine\n[handlers]\nkeys=own\n[formatters]\nkeys=own\n[logger_root]\nhandlers=\n" +
			"[logger_mine]\nlevel=INFO\nhandlers=own\nqualname=mine\n[handler_own]\nclass=StreamHandler\nformatter=own\nargs=()\n" +
			"[formatter_own]\nformat=AS CONFIGURED %(message)s\n",
		"--log-config-json": `{"version": 1, "formatters": {"own": {"format": "AS CONFIGURED %(message)s"}},
			"handlers": {"own": {"class": "logging.StreamHandler", "formatter": "own"}},
			"loggers": {"mine": {"level": "INFO", "handlers": ["own"]}}}`,
	} {
		t.Run(flag, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			app := "import logging\nlogging.getLogger('mine').info('loaded')\ndef app(environ, start_response):\n    pass\n"
			for name, content := range map[string]string{"mine.py": app, "logging.cfg": text} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			s := startWith(t, options{dir: dir}, "mine:app", "-k", "sync", "-b", "127.0.0.1:0", flag, "logging.cfg", "--python", interpreter(t)).ready()
			s.expect(`AS CONFIGURED loaded`)
			s.stop()
		})
	}
}

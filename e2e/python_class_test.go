//go:build linux

package e2e

import (
	"os/exec"
	"strings"
	"testing"
)

// P11: a subclass of uvicorn's worker runs with what its CONFIG_KWARGS say,
// whether it is named or is a class of the config file, and whether what it
// imports is installed or not.
func TestWorkerClassOfPythons(t *testing.T) {
	t.Parallel()
	const kwargs = `{"loop": "asyncio", "http": "h11", "lifespan": "off", "root_path": "/shop", "ws_max_size": 1000, "headers": [["X-Shop", "1"]], "server_header": False, "backlog": 7}`
	workers := map[string]string{
		"uvicorn_worker": "from uvicorn_worker import UvicornWorker\n\nclass Own(UvicornWorker):\n    CONFIG_KWARGS = " + kwargs + "\n",
		"uvicorn":        "import uvicorn.workers\n\nclass Base(uvicorn.workers.UvicornWorker):\n    CONFIG_KWARGS = " + kwargs + "\n\nclass Own(Base):\n    def handle_exit(self): ...\n",
		"gevent":         "from gunicorn.workers.ggevent import GeventWorker as G\n\nclass Own(G):\n    def handle_quit(self): ...\n",
	}
	for name, c := range map[string]struct {
		worker, conf string
		args         []string
		want         []string
	}{
		"flag": {worker: "uvicorn_worker", args: []string{"-k", "shop.workers.Own"}, want: []string{
			`worker_class = "uvicorn_worker.UvicornWorker"  # -k`, `asgi_loop = "asyncio"  # shop.workers.Own.CONFIG_KWARGS`, `asgi_lifespan = "off"`,
			`root_path = "/shop"`, `websocket_max_message_size = 1000`, `response_headers = ["X-Shop: 1"]`, `server_header = false`,
		}},
		"conf": {worker: "uvicorn", conf: "worker_class = 'shop.workers.Own'\nroot_path = '/mine'\n", want: []string{
			`worker_class = "uvicorn.workers.UvicornWorker"  # gunicorn.conf.py:1`, `root_path = "/mine"  # gunicorn.conf.py:2`,
		}},
		"class of the file": {conf: "from stand_in import Worker\n\nclass Own(Worker):\n    CONFIG_KWARGS = dict(loop='asyncio', http=str())\n\nworker_class = Own\n", want: []string{
			`worker_class = "uvicorn_worker.UvicornWorker"  # gunicorn.conf.py:6`, `asgi_loop = "asyncio"  # __config__.Own.CONFIG_KWARGS`,
		}},
		"gevent":   {worker: "gevent", args: []string{"-k", "shop.workers.Own"}, want: []string{`worker_class = "gunicorn.workers.ggevent.GeventWorker"`}},
		"app dir":  {worker: "uvicorn_worker", args: []string{"-k", "workers.Own", "--pythonpath", "shop"}, want: []string{`worker_class = "uvicorn_worker.UvicornWorker"`}},
		"missing":  {args: []string{"-k", "absent.Own"}, want: []string{`-k: worker_class: "absent.Own" cannot be read: ModuleNotFoundError: No module named 'absent'`}},
		"no class": {worker: "gevent", args: []string{"-k", "shop.workers.Absent"}, want: []string{`"shop.workers.Absent" cannot be read: `}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folderOf(t, map[string]string{
				"gunicorn.conf.py": c.conf, "shop/__init__.py": "raise RuntimeError('not to be imported')\n", "shop/workers.py": workers[c.worker],
				"stand_in.py": "class Worker: pass\nWorker.__module__, Worker.__qualname__ = 'uvicorn_worker._workers', 'UvicornWorker'\n",
			})
			_, out := printedConfig(t, dir, nil, c.args...)
			for _, want := range c.want {
				if !strings.Contains(out, want) {
					t.Errorf("no %s in\n%s", want, out)
				}
			}
		})
	}
}

// Its methods are called, but for those that carry connections, which is told at the
// start, and it serves.
func TestWorkerClassOfPythonsServes(t *testing.T) {
	t.Parallel()
	dir := folderOf(t, map[string]string{
		"main.py": "async def app(scope, receive, send):\n    if scope['type'] == 'http':\n" +
			"        await send({'type': 'http.response.start', 'status': 200})\n        await send({'type': 'http.response.body', 'body': scope['root_path'].encode()})\n",
		"own.py": "from uvicorn.workers import UvicornWorker\n\nclass Worker(UvicornWorker):\n    CONFIG_KWARGS = {'root_path': '/shop', 'backlog': 7}\n\n    def init_process(self):\n        print('own init')\n        super().init_process()\n\n    def handle_request(self): ...\n",
	})
	s := startWith(t, options{dir: dir, env: []string{"PYTHONDONTWRITEBYTECODE=1"}}, "main:app", "-k", "own.Worker", "-b", "127.0.0.1:0", "--python", interpreter(t)).ready()
	if status, body := get(t, s.addr(), "/"); status != 200 || body != "/shop" {
		t.Errorf("%d %s", status, body)
	}
	s.expect(`own init`)
	s.expect(`WARNING.*own\.Worker runs as uvicorn\.workers\.UvicornWorker, whose .* are not called: handle_request`)
	s.expect(`WARNING.*own\.Worker\.CONFIG_KWARGS: backlog has no counterpart here`)
	s.stop()
}

// A name that is near a setting's, and that nothing reads, is told; others are
// the file's own.
func TestLikelySlipsInConfigFiles(t *testing.T) {
	t.Parallel()
	dir := confFolder(t, "import os\n\nbind = '127.0.0.1:0'\nworker = 4\nlog_level = 'debug'\nkeep_alive = int(os.environ.get('X', '3'))\nkeepalive = keep_alive\nshop = 1\n\ndef when_redy(server):\n    pass\n")
	s := startWith(t, options{dir: dir, env: []string{"PYTHONDONTWRITEBYTECODE=1"}}, "versioned:app", "--python", interpreter(t)).ready()
	for _, want := range []string{
		`gunicorn\.conf\.py:4: worker is not a setting; did you mean workers\?`, `gunicorn\.conf\.py:5: log_level is not a setting; did you mean loglevel\?`,
		`gunicorn\.conf\.py:10: when_redy is not a setting; did you mean when_ready\?`,
	} {
		s.expect(want)
	}
	check := exec.Command(binary(), "check", "versioned:app", "--python", interpreter(t))
	check.Dir, check.Env = dir, cleanEnv()
	if out, err := check.CombinedOutput(); err != nil || !strings.Contains(string(out), "warning: gunicorn.conf.py:4: worker is not a setting; did you mean workers?\n") {
		t.Errorf("check: %v, %s", err, out)
	}
	for _, not := range []string{"keep_alive is not", "shop is not", "os is not"} {
		if strings.Contains(s.log.text(), not) {
			t.Errorf("%s", not)
		}
	}
	s.stop()
}

//go:build linux

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// confFolder has an app, and a gunicorn.conf.py with this text.
func confFolder(t *testing.T, conf string) string {
	dir := t.TempDir()
	for name, text := range map[string]string{"gunicorn.conf.py": conf, "versioned.py": fmt.Sprintf(goodApp, 1)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// config prints what gonicorn makes of a folder.
func printedConfig(t *testing.T, dir string, env []string, args ...string) (code int, out string) {
	cmd := exec.Command(binary(), append([]string{"--print-config", "--python", interpreter(t)}, args...)...)
	cmd.Dir, cmd.Env = dir, append(cleanEnv(), env...)
	text, _ := cmd.CombinedOutput() // the code is looked at
	return cmd.ProcessState.ExitCode(), string(text)
}

// What public projects have in their gunicorn.conf.py.
func TestPythonConfigFiles(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		conf string
		env  []string
		want []string // of --print-config: name = value, and where it is from
	}{
		"Django": {
			conf: "bind = '0.0.0.0:8000'\nworkers = 3\ntimeout = 120\naccesslog = '-'\nerrorlog = '-'\nloglevel = 'info'\ncapture_output = True\n",
			want: []string{`workers = 3`, `timeout = 120`, `gunicorn.conf.py:2`, `bind = ["0.0.0.0:8000"]`},
		},
		"computed": {
			conf: "import multiprocessing, os\n\nworkers = int(os.environ.get('WORKERS', multiprocessing.cpu_count() * 2 + 1))\nbind = f\"0.0.0.0:{os.getenv('MYPORT', '8080')}\"\n" +
				"threads = int(os.getenv('THREADS', 4))\nworker_class = 'gthread'\nworker_tmp_dir = '/dev/shm'\n",
			env:  []string{"WORKERS=7", "MYPORT=9001"},
			want: []string{`workers = 7`, `threads = 4`, `bind = ["0.0.0.0:9001"]`, `gunicorn.conf.py:3`},
		},
		"every name": {
			conf: "import os\nfor k, v in os.environ.items():\n    if k.startswith('GUNICORN_APP_'):\n        locals()[k[13:].lower()] = int(v)\nkeepalive = 75\nmax_requests, max_requests_jitter = 1000, 50\n",
			env:  []string{"GUNICORN_APP_WORKERS=4"},
			want: []string{`workers = 4`, `max_requests_jitter = 50`, `gunicorn.conf.py:6`},
		},
		"Airflow-like": {
			conf: "import setproctitle_missing_is_fine if False else None\n",
		},
		"Superset-like": {
			conf: "bind = ['127.0.0.1:8088']\nlimit_request_line = 0\nlimit_request_field_size = 0\nforwarded_allow_ips = '*'\n" +
				"secure_scheme_headers = {'X-FORWARDED-PROTO': 'https'}\n",
			want: []string{`limit_request_line = 0`, `"X-FORWARDED-PROTO" = "https"`},
		},
		"prometheus": {
			conf: "from pathlib import Path\npidfile = Path('/tmp') / 'x.pid'\n\n\ndef child_exit(server, worker):\n    pass\n",
			want: []string{`pidfile = "/tmp/x.pid"`},
		},
		"None": {
			conf: "accesslog = None\ncertfile = None\nraw_env = ['A=1', 'B=2']\n",
			want: []string{`raw_env = ["A=1", "B=2"]`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "Airflow-like" { // a module of its own, named as python:module
				dir := confFolder(t, "")
				if err := os.WriteFile(filepath.Join(dir, "settings_module.py"), []byte("workers = 6\npreload_app = True\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				if code, out := printedConfig(t, dir, nil, "-c", "python:settings_module"); code != 0 || !strings.Contains(out, "workers = 6") {
					t.Errorf("exit code %d: %s", code, out)
				}
				return
			}
			code, out := printedConfig(t, confFolder(t, c.conf), c.env)
			for _, want := range c.want {
				if code != 0 || !strings.Contains(out, want) {
					t.Errorf("exit code %d, no %q in %s", code, want, out)
				}
			}
		})
	}
}

func TestBrokenPythonConfigFiles(t *testing.T) {
	t.Parallel()
	for want, conf := range map[string]string{
		"gunicorn.conf.py:2: NameError: name 'nothing' is not defined":                                          "workers = 1\nthreads = nothing\n",
		"gunicorn.conf.py:2: syntax error":                                                                      "workers = 1\nthreads = = 2\n",
		"gunicorn.conf.py:1: workers":                                                                           "workers = 'many'\n",
		"gunicorn.conf.py:3: bind: is a Python object":                                                          "\n\nbind = object()\n",
		"gunicorn.conf.py:1: ModuleNotFoundError: No module named 'absent'":                                     "import absent\n",
		"gunicorn.conf.py:2: post_fork: takes 1 argument, and is called with 2: server, worker":                 "workers = 1\ndef post_fork(server):\n    pass\n",
		"gunicorn.conf.py:1: post_request: takes 5 arguments, and is called with 4: worker, req, environ, resp": "def post_request(a, b, c, d, e):\n    pass\n",
		"gunicorn.conf.py:1: when_ready: takes arguments by name only, and is called with server":               "def when_ready(*, server):\n    pass\n",
		"gunicorn.conf.py:1: it imports gunicorn, which is not installed":                                       "from gunicorn.glogging import Logger\n",
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			if code, out := printedConfig(t, confFolder(t, conf), nil); code != 1 || !strings.Contains(out, want) {
				t.Errorf("exit code %d: %s", code, out)
			}
		})
	}
}

func TestPythonConfigIsReadAnew(t *testing.T) {
	t.Parallel()
	dir := confFolder(t, "bind = '127.0.0.1:0'\nworkers = 1\ndef child_exit(server, worker):\n    pass\n")
	s := startWith(t, options{dir: dir, env: []string{"PYTHONDONTWRITEBYTECODE=1"}}, "versioned:app", "--python", interpreter(t)).ready()
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(dir, "gunicorn.conf.py"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("bind = '127.0.0.1:0'\nworkers = 3\n")
	s.signal(syscall.SIGHUP)
	s.expect(`new generation serves.*workers=3`)
	write("raise ValueError('not today')\n")
	s.signal(syscall.SIGHUP)
	s.expect(`reload failed: the old generation keeps serving.*gunicorn.conf.py:1: ValueError: not today`)
	get(t, s.addr(), "/")
	s.stop()
}

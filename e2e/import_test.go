//go:build linux

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// countingApp counts its imports in a file, and is one more version at each
// save.
const countingApp = `
import os, time
with open(os.path.join(os.path.dirname(__file__), "imports"), "a") as f:
    f.write("%d " % os.getpid())
`

const wsgiTail = `
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"VERSION"]
`

const asgiTail = `
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"VERSION"})
`

// importing is a server whose app's imports are counted.
type importing struct {
	*server
	t    *testing.T
	file string
	tail string
}

func imports(t *testing.T, tail string, args ...string) *importing {
	t.Helper()
	s := &importing{t: t, file: filepath.Join(t.TempDir(), "main.py"), tail: tail}
	s.save("1")
	s.server = startWith(t, options{dir: filepath.Dir(s.file), env: []string{"PYTHONDONTWRITEBYTECODE=1"}},
		append([]string{"main:app", "-b", "127.0.0.1:0", "--python", interpreter(t)}, args...)...).ready()
	return s
}

func (s *importing) save(version string) {
	s.t.Helper()
	saveAtOnce(s.t, s.file, countingApp+strings.ReplaceAll(s.tail, "VERSION", version))
}

// saveAtOnce writes a file in one step, as one change: a machine without time
// lets a while pass between two.
func saveAtOnce(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// pidsSoFar are the processes that have imported the app.
func (s *importing) pidsSoFar() []string {
	text, err := os.ReadFile(filepath.Join(filepath.Dir(s.file), "imports"))
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.Fields(string(text))
}

func (s *importing) serves(version string) {
	s.t.Helper()
	eventually(s.t, "version "+version, func() bool { _, body := get(s.t, s.addr(), "/"); return body == version })
}

// Nobody but workers imports the app: the first of them tells WSGI from ASGI.
func TestOneImportAWorker(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tail  string
		args  []string
		class string
		many  int // imports of a generation
	}{
		"wsgi":           {wsgiTail, []string{"-w", "2"}, "sync", 2},
		"asgi":           {asgiTail, []string{"-w", "2"}, "event-loop", 2},
		"chosen":         {wsgiTail, []string{"-w", "2", "-k", "event-loop"}, "event-loop", 2},
		"threads":        {wsgiTail, []string{"-w", "1", "--threads", "3"}, "threaded", 1},
		"asgi, threads":  {asgiTail, []string{"-w", "1", "--threads", "3"}, "threaded", 1},
		"template, asgi": {asgiTail, []string{"-w", "3", "--preload"}, "event-loop", 1},
		"reload mode":    {asgiTail, []string{"-w", "1", "--reload"}, "event-loop", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.many == 1 && c.args[len(c.args)-1] == "--preload" {
				needsLinux(t, forking)
			}
			s := imports(t, c.tail, c.args...)
			s.expect("worker class: " + c.class + ",")
			s.serves("1")
			if got := s.pidsSoFar(); len(got) != c.many {
				t.Errorf("imported %d times to start, want %d", len(got), c.many)
			}
			if c.args[len(c.args)-1] != "--preload" {
				for pid := range s.pids() {
					if !strings.Contains(" "+strings.Join(s.pidsSoFar(), " ")+" ", " "+strconv.Itoa(pid)+" ") {
						t.Errorf("worker %d is none of those who have imported the app: %v", pid, s.pidsSoFar())
					}
				}
			}
			s.save("2")
			mark := s.log.mark()
			if name != "reload mode" {
				s.signal(syscall.SIGHUP)
			}
			s.expectFrom(mark, `new generation serves`)
			s.serves("2")
			if got := s.pidsSoFar(); len(got) != 2*c.many {
				t.Errorf("imported %d times with a reload, want %d", len(got), 2*c.many)
			}
			s.stop()
		})
	}
}

// An app that becomes ASGI at a reload is served as ASGI.
func TestReloadFromWSGIToASGI(t *testing.T) {
	t.Parallel()
	s := imports(t, wsgiTail, "-w", "2")
	s.tail = asgiTail
	s.save("2")
	mark := s.log.mark()
	s.signal(syscall.SIGHUP)
	s.expectFrom(mark, `new generation serves`)
	s.serves("2")
	s.stop()
}

// An import that takes long is told of, its stack is shown, and a stop during it
// is quiet and at once.
func TestSlowImport(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"class unknown": nil, "class chosen": {"-k", "sync"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			text := "import time\ndef connect():\n    time.sleep(3600)\nconnect()\n"
			if err := os.WriteFile(filepath.Join(dir, "main.py"), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			s := startWith(t, options{dir: dir}, append([]string{"main:app", "-b", "127.0.0.1:0", "--python", interpreter(t)}, args...)...)
			s.expect(`listening at: `) // before the import ends
			s.expect(`importing main:app \.\.\. \d+ s`)
			s.expect(`main\.py", line 3 in connect`)
			s.signal(syscall.SIGINT)
			if code := s.wait(); code != 0 {
				t.Errorf("exit code %d, want 0", code)
			}
			if text := s.log.text(); strings.Contains(text, "KeyboardInterrupt") || strings.Contains(text, "worker lost") {
				t.Error("a stop during the import is not quiet")
			}
		})
	}
	t.Run("boot_timeout", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		text := "import time\ndef connect():\n    time.sleep(3600)\nconnect()\n"
		if err := os.WriteFile(filepath.Join(dir, "main.py"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		s := startWith(t, options{dir: dir}, "main:app", "-b", "127.0.0.1:0", "--boot-timeout", "8s", "--python", interpreter(t))
		s.expect(`main\.py", line 3 in connect`)
		if code := s.wait(); code != 3 {
			t.Errorf("exit code %d, want 3", code)
		}
		s.expect(`no worker became ready in 1 try: importing main:app took longer than 8s \(boot_timeout\)`)
	})
}

// While the app is broken, under --reload, whoever asks sees the traceback; the
// next save cures it. Nobody sees one otherwise.
func TestBrokenAppUnderReload(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ tail, broken, says string }{
		"wsgi, at the start": {wsgiTail, "", "name 'undefined_thing' is not defined"},
		"wsgi":               {wsgiTail, "undefined_thing()\n", "name 'undefined_thing' is not defined"},
		"asgi":               {asgiTail, "def app(:\n", "syntax error in main.py"},
		"no app":             {asgiTail, "#", "has no app"},
		"no module":          {wsgiTail, "import not_installed_here\n", "not_installed_here, which is not there"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tail := c.tail
			if c.broken == "" {
				c.broken, c.tail = "undefined_thing()\n", "undefined_thing()\n"
			}
			s := imports(t, c.tail, "--reload", "-w", "1")
			if c.tail == tail {
				s.serves("1")
				s.tail = c.broken
				s.save("2")
			}
			eventually(t, "the page", func() bool {
				status, body := get(t, s.addr(), "/any/page")
				return status == 500 && strings.Contains(body, c.says)
			})
			if c.tail == tail {
				s.expect(`worker gone .*reason=reload`) // until then it may take requests
			}
			resp, body := fetch(t, "GET", "http://"+s.addr()+"/", nil, "Accept", "text/html,*/*")
			if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") || !strings.Contains(body, "<pre>") {
				t.Errorf("a browser gets %s: %.300s", resp.Header.Get("Content-Type"), body)
			}
			if c.broken != "#" && !regexp.MustCompile(`(?s)Traceback|SyntaxError`).MatchString(body) {
				t.Errorf("there is no traceback in the page: %s", body)
			}
			s.expect(`the app is broken.*GON047`)
			s.tail = tail
			s.save("3")
			s.serves("3")
			s.stop()
		})
	}
	t.Run("without --reload", func(t *testing.T) {
		t.Parallel()
		s := imports(t, wsgiTail, "-w", "1")
		s.tail = "undefined_thing()\n"
		s.save("2")
		s.signal(syscall.SIGHUP)
		s.expect(`the old generation keeps serving`)
		s.serves("1")
		s.stop()
	})
}

// How long a save takes to be served, against the import of the app alone: a
// figure for the log, since it depends on the machine.
func TestReloadTakesAboutOneImport(t *testing.T) {
	t.Parallel()
	s := imports(t, "import time\ntime.sleep(2)\n"+wsgiTail, "-w", "1", "--reload")
	began := time.Now()
	if out, err := exec.CommandContext(t.Context(), interpreter(t), "-B", "-c", "import sys; sys.path.insert(0, sys.argv[1]); import main", filepath.Dir(s.file)).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	alone := time.Since(began)
	began = time.Now()
	s.save("2")
	s.serves("2")
	took := time.Since(began)
	t.Logf("saved and served after %s, %.2f of the import alone, %s", took.Round(time.Millisecond), float64(took)/float64(alone), alone.Round(time.Millisecond))
	s.stop()
}

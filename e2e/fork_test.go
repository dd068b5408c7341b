//go:build linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// forkedApp says where its module was loaded and who answers. Each import of it
// is a line in a file beside it.
const forkedApp = `
import os, sys
LOADED, VERSION = os.getpid(), %d
with open(os.path.join(os.path.dirname(__file__), "imports"), "a") as f:
    f.write("%%d\n" %% LOADED)

def text():
    return ("%%d %%d %%d" %% (LOADED, os.getpid(), VERSION)).encode()

def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [text()]

async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        print("lifespan in", os.getpid())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": text()})
`

func forked(t *testing.T, attribute string, args ...string) (*server, versions) {
	t.Helper()
	needsLinux(t, forking)
	dir := t.TempDir()
	v := versions{t, filepath.Join(dir, "forked.py")}
	v.write(fmt.Sprintf(forkedApp, 1))
	return startWith(t, options{env: []string{"PYTHONDONTWRITEBYTECODE=1"}},
		append([]string{"forked:" + attribute, "-b", "127.0.0.1:0", "--python", interpreter(t), "--chdir", dir, "--preload"}, args...)...), v
}

// imports counts how often the app was imported.
func (v versions) imports() int {
	text, err := os.ReadFile(filepath.Join(filepath.Dir(v.file), "imports"))
	if err != nil {
		v.t.Fatal(err)
	}
	return strings.Count(string(text), "\n")
}

// whoAnswers is where the module was loaded, who answers, and its version.
func whoAnswers(t *testing.T, s *server) (loaded, pid, version int) {
	t.Helper()
	_, body := get(t, s.addr(), "/")
	if _, err := fmt.Sscanf(body, "%d %d %d", &loaded, &pid, &version); err != nil {
		t.Fatalf("%q: %v", body, err)
	}
	return loaded, pid, version
}

func TestWorkersAreForkedFromATemplate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string][]string{
		"WSGI, sync":       {"wsgi"},
		"WSGI, threaded":   {"wsgi", "--threads", "3"},
		"WSGI, event-loop": {"wsgi", "-k", "event-loop"},
		"ASGI, event-loop": {"asgi", "-k", "event-loop"},
		"ASGI, threaded":   {"asgi", "-k", "threaded", "--threads", "2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, v := forked(t, c[0], append([]string{"-w", "3"}, c[1:]...)...)
			s.ready()
			template := s.expect(`template ready pid=(\d+)`)[1]
			before := v.imports() // the template's, and one to look at an app whose class nobody chose
			for pid := range s.pids() {
				if got := procLine(t, pid, "status", "PPid:"); got != strconv.Itoa(s.cmd.Process.Pid) {
					t.Errorf("worker %d is the child of %s, want the arbiter's", pid, got)
				}
			}
			loaded, pid, _ := whoAnswers(t, s)
			if strconv.Itoa(loaded) != template || loaded == pid {
				t.Errorf("loaded in %d, answered by %d; the template is %s", loaded, pid, template)
			}
			// A worker that crashes is followed by another copy.
			mark := s.log.mark()
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			s.expectFrom(mark, `worker ready`)
			if n := v.imports(); n != before {
				t.Errorf("%d imports, want %d", n, before)
			}
			// A reload picks new code up.
			v.write(fmt.Sprintf(forkedApp, 2))
			s.signal(syscall.SIGHUP)
			s.expect(`new generation serves`)
			eventually(t, "the new code serves", func() bool { _, _, version := whoAnswers(t, s); return version == 2 })
			// Broken code does not.
			v.write("raise RuntimeError('not today')\n")
			s.signal(syscall.SIGHUP)
			s.expect(`reload failed: the old generation keeps serving.*not today`)
			if _, _, version := whoAnswers(t, s); version != 2 {
				t.Errorf("version %d serves after the broken reload", version)
			}
			s.stop()
		})
	}
}

func TestLostTemplateIsReplaced(t *testing.T) {
	t.Parallel()
	s, _ := forked(t, "wsgi", "-w", "2")
	s.ready()
	template, _ := strconv.Atoi(s.expect(`template ready pid=(\d+)`)[1])
	before := s.pids()
	mark := s.log.mark()
	if err := syscall.Kill(template, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.expectFrom(mark, `template process has ended`)
	s.signal(syscall.SIGTTIN) // there is none to fork from, for a moment
	s.expectFrom(mark, `template ready`)
	s.expectFrom(mark, `worker ready worker=3`)
	after := s.pids()
	for pid := range before {
		if after[pid] == 0 {
			t.Errorf("worker %d did not survive", pid)
		}
	}
	s.stop()
	if strings.Contains(s.log.text(), "gonicorn gives up") {
		t.Error("it gave up")
	}
}

func TestTemplateNamesThreads(t *testing.T) {
	t.Parallel()
	s, v := forked(t, "wsgi", "-w", "1")
	s.ready()
	v.write("import threading, time\nthreading.Thread(target=time.sleep, args=(1000,), name='my-poller', daemon=True).start()\n" + fmt.Sprintf(forkedApp, 2))
	s.signal(syscall.SIGHUP)
	s.expect(`the app starts threads while it is imported.*my-poller`)
	s.expect(`new generation serves`)
	s.stop()
}

func TestMissingAppIsSaidWithATemplate(t *testing.T) {
	t.Parallel()
	s := startWith(t, options{}, "nothing:app", "-b", "127.0.0.1:0", "--python", interpreter(t), "--preload", "-k", "sync")
	s.expect(`gonicorn: .*there is no module nothing`)
	if code := s.wait(); code != 4 {
		t.Errorf("exit code %d, want 4", code)
	}
}

func TestWarmWorkerBecomesTheTemplate(t *testing.T) {
	t.Parallel()
	for _, c := range [][]string{{"wsgi"}, {"wsgi", "--threads", "3"}, {"asgi", "-k", "event-loop"}, {"asgi", "-k", "threaded"}} {
		t.Run(strings.Join(c, " "), func(t *testing.T) {
			t.Parallel()
			s, v := forked(t, c[0], append([]string{"-w", "2", "--refork-after", "30"}, c[1:]...)...)
			s.ready()
			l := startLoad(t, s.addr(), 3)
			before := v.imports()
			template := s.expect(`a worker that has served is the template now pid=(\d+)`)[1]
			s.expect(`worker gone worker=2.*reason=refork_after`)
			for pid := range s.pids() {
				if pid, _ := strconv.Atoi(template); pid == 0 || s.pids()[pid] != 0 {
					t.Errorf("the template %s is a worker as well", template)
				}
				if got := procLine(t, pid, "status", "PPid:"); got != strconv.Itoa(s.cmd.Process.Pid) {
					t.Errorf("worker %d is the child of %s", pid, got)
				}
			}
			l.expectNoFailure(t)
			if n := v.imports(); n != before {
				t.Errorf("%d imports, want %d", n, before)
			}
			s.stop()
		})
	}
}

// descriptors counts what a process has open.
func descriptors(t *testing.T, pid int) int {
	t.Helper()
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// Fifty workers, or a thousand where E2E_LONG is set, leave nothing open.
func TestForksLeakNoDescriptors(t *testing.T) {
	t.Parallel()
	rounds := 50
	if os.Getenv("E2E_LONG") != "" {
		rounds = 1000
	}
	s, _ := forked(t, "wsgi", "-w", "1")
	s.ready()
	template, _ := strconv.Atoi(s.expect(`template ready pid=(\d+)`)[1])
	counts := func() (all [3]int) {
		all[0], all[1] = descriptors(t, s.cmd.Process.Pid), descriptors(t, template)
		_, pid, _ := whoAnswers(t, s)
		all[2] = descriptors(t, pid)
		return all
	}
	var first [3]int
	for i := range rounds {
		_, pid, _ := whoAnswers(t, s)
		mark := s.log.mark()
		s.signal(syscall.SIGTTIN)
		s.expectFrom(mark, `worker ready`)
		s.signal(syscall.SIGTTOU) // the oldest one goes
		s.expectFrom(mark, fmt.Sprintf(`worker gone.* pid=%d`, pid))
		if i == 5 {
			first = counts()
		}
	}
	if last := counts(); last[0] > first[0]+1 || last[1] > first[1] || last[2] > first[2] {
		t.Errorf("descriptors of arbiter, template, worker: %v, at first %v", last, first)
	}
	s.stop()
}

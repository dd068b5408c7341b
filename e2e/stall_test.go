//go:build linux

package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/internal/platform"
)

// explained waits for the line of the log that explains a hang, and says how
// long after began it came.
func explained(t *testing.T, s *server, mark int, began time.Time, pattern string) time.Duration {
	t.Helper()
	s.expectFrom(mark, pattern)
	took := time.Since(began)
	t.Logf("explained after %s", took.Round(10*time.Millisecond))
	return took
}

// A hang says by itself where it is, in every class: the line, the request,
// what to do, and a code.
func TestHangsExplainThemselves(t *testing.T) {
	t.Parallel()
	const line = `hangs\.py:\d+ in `
	for _, c := range []struct{ name, app, path, says, code string }{
		{"sync", "hangs:wsgi -k sync", "/sleep?3", line + `waits: time\.sleep`, "GON066"},
		{"threaded", "hangs:wsgi -k gthread --threads 4", "/sleep?3", line + `waits: time\.sleep`, "GON066"},
		{"wsgi loop", "hangs:wsgi -k event-loop", "/sleep?3", line + `waits: time\.sleep`, "GON066"},
		{"gevent", "hangs:wsgi -k gevent", "/sleep?3", line + `waits: time\.sleep`, "GON066"},
		{"blocked hub", "hangs:wsgi -k gevent", "/c?3", `hub is blocked .*` + line + `sleeps_in_c`, "GON065"},
		{"blocked loop", "hangs:asgi -k asgi", "/sleep?3", `event loop is blocked .*` + line + `waits`, "GON065"},
		{"blocked asyncio", "hangs:asgi -k asgi --asgi-loop asyncio", "/sleep?3", `event loop is blocked .*` + line + `waits`, "GON065"},
		{"await", "hangs:asgi -k asgi", "/await?3", line + `never: await`, "GON066"},
		{"await asyncio", "hangs:asgi -k asgi --asgi-loop asyncio", "/await?3", line + `never: await`, "GON066"},
		{"await sync", "hangs:asgi -k sync", "/await?3", line + `never: await`, "GON066"},
		{"await gthread", "hangs:asgi -k gthread --threads 2", "/await?3", line + `never: await`, "GON066"},
		{"to_thread", "hangs:asgi -k asgi", "/thread?3", line + `waits: time\.sleep`, "GON066"},
		{"fastapi def", "fastapi_app:app -k asgi", "/sleep?s=3", `fastapi_app\.py:\d+ in sleep`, "GON066"},
		{"gil sync", "hangs:wsgi -k sync", "/gil?4", `C code holds Python's GIL`, "GON067"},
		{"gil threaded", "hangs:wsgi -k gthread --threads 4", "/gil?4", `C code holds Python's GIL`, "GON067"},
		{"gil loop", "hangs:asgi -k asgi", "/gil?4", `C code holds Python's GIL`, "GON067"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			args := strings.Fields(c.app)
			s := python(t, args[0], append([]string{"-w", "1", "--stall-warning", "1"}, args[1:]...)...).ready()
			mark, began := s.log.mark(), time.Now()
			done := make(chan int, 1)
			go func() {
				resp, _ := fetch(t, "GET", "http://"+s.addr()+c.path, nil, "X-Request-ID", "the-one-that-hangs")
				done <- resp.StatusCode
			}()
			explained(t, s, mark, began, c.says)
			path, _, _ := strings.Cut(c.path, "?")
			s.expectFrom(mark, `what to do: .*request=the-one-that-hangs method=GET path=`+path+`.*code=`+c.code)
			if c.code == "GON067" { // the line, written by C code while the call lasts
				s.expectFrom(mark, `hangs\.py", line \d+ in holds`)
				if len(done) > 0 {
					t.Error("the call had ended by then")
				}
			}
			if status := <-done; status != 200 {
				t.Errorf("the request that was late got %d", status)
			}
			s.stop()
			if n := strings.Count(s.log.text(), "code="+c.code); n != 1 {
				t.Errorf("%d explanations, want 1", n)
			}
		})
	}
}

// A hang in a Go handler shows the goroutine's line.
func TestHungHandlerExplainsItself(t *testing.T) {
	t.Parallel()
	for _, class := range []string{"sync", "threaded", "event-loop"} {
		t.Run(class, func(t *testing.T) {
			t.Parallel()
			s := demo(t, "-w", "1", "-k", class, "--stall-warning", "1").ready()
			mark, began := s.log.mark(), time.Now()
			k := dial(t, s.addr())
			k.send("GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n")
			explained(t, s, mark, began, `no answer yet for .* at \S*demo\.go:\d+ in \S*demo\.`)
			s.expectFrom(mark, `what to do: .*method=GET path=/hang code=GON066`)
			s.signal(syscall.SIGQUIT)
			s.wait()
		})
	}
}

// Of a command, the log says what can be known from outside.
func TestHungCommandIsExplained(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("there is no node: apt-get install nodejs")
	}
	script := filepath.Join(t.TempDir(), "hang.js")
	text := `require('http').createServer((q, r) => { if (q.url == '/hang') return; r.end('ok') }).listen(process.env.PORT, '127.0.0.1')`
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, class := range []string{"sync", "event-loop"} {
		t.Run(class, func(t *testing.T) {
			t.Parallel()
			s := start(t, "-w", "1", "-b", "127.0.0.1:0", "-k", class, "--stall-warning", "1", "--", "node", script).ready()
			get(t, s.addr(), "/")
			mark, began := s.log.mark(), time.Now()
			k := dial(t, s.addr())
			k.send("GET /hang HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: the-one-that-hangs\r\n\r\n")
			explained(t, s, mark, began, `a command does not answer a request for .* at 127\.0\.0\.1:\d+; it sleeps`+map[bool]string{false: ` in `}[platform.Portable])
			s.expectFrom(mark, `what to do: .*request=the-one-that-hangs method=GET path=/hang code=GON066`)
			s.signal(syscall.SIGQUIT)
			s.wait()
		})
	}
}

// Many slow requests are a few lines that say how many there are; a stream, and
// a WebSocket, are none.
func TestManySlowRequestsAreFewLines(t *testing.T) {
	t.Parallel()
	s := python(t, "hangs:asgi", "-k", "asgi", "-w", "2", "--stall-warning", "500ms", "--worker-connections", "1000").ready()
	url := "http://" + s.addr()
	var wg sync.WaitGroup
	for range 300 {
		wg.Go(func() { fetch(t, "GET", url+"/await?3", nil) })
	}
	for range 10 {
		wg.Go(func() { fetch(t, "GET", url+"/stream?2", nil) })
	}
	s.expect(`code=GON066`)
	told := make(chan struct{})
	wg.Go(func() { // until it is told again, with how many there were
		for {
			select {
			case <-told:
				return
			default:
				fetch(t, "GET", url+"/await?0.6", nil)
			}
		}
	})
	s.expect(`; \d+ more like it`)
	close(told)
	wg.Wait()
	s.stop()
	text := s.log.text()
	if n := strings.Count(text, "code=GON066"); n < 1 || n > 6 {
		t.Errorf("%d lines, want a few", n)
	}
	if !regexp.MustCompile(`; \d+ more like it`).MatchString(text) {
		t.Error("no line says how many there are")
	}
	if strings.Contains(text, "path=/stream") {
		t.Error("a stream is called a hang")
	}
}

// Slow requests are no fault by default, and 0 is never.
func TestSlowRequestsAreNotExplainedByDefault(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"--stall-warning", "0"}} {
		s := python(t, "hangs:wsgi", append([]string{"-w", "1"}, args...)...).ready()
		fetch(t, "GET", "http://"+s.addr()+"/sleep?1.5", nil)
		s.stop()
		if strings.Contains(s.log.text(), "code=GON06") {
			t.Errorf("explained with %v", args)
		}
	}
}

// Neither the watch on the loop nor somebody who asks for stacks ends a sleep
// of C code early, which a signal does.
func TestStacksDoNotInterrupt(t *testing.T) {
	t.Parallel()
	for name, app := range map[string]string{"sync": "hangs:wsgi -k sync", "event-loop": "hangs:asgi -k asgi"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := strings.Fields(app)
			dir := t.TempDir()
			s := python(t, args[0], append([]string{"-w", "1", "--stall-warning", "300ms", "--control-socket", dir + "/c"}, args[1:]...)...).ready()
			body := make(chan string, 1)
			go func() {
				_, text := fetch(t, "GET", "http://"+s.addr()+"/c?3", nil)
				body <- text
			}()
			s.expect(`in sleeps_in_c: `)
			out, err := exec.Command(binary(), "stacks", "--control-socket", dir+"/c", "1").CombinedOutput()
			if err != nil || strings.Count(string(out), "in sleeps_in_c") != 1 {
				t.Errorf("%v: the line is %d times in:\n%s", err, strings.Count(string(out), "in sleeps_in_c"), out)
			}
			if slept, err := strconv.ParseFloat(<-body, 64); err != nil || slept < 2.99 {
				t.Errorf("slept %.2f s of 3: %v", slept, err)
			}
			out, err = exec.Command(binary(), "stacks", "--control-socket", dir+"/c", "1").CombinedOutput()
			if err != nil || !strings.Contains(string(out), "0 requests in flight") || strings.Contains(string(out), "hangs") {
				t.Errorf("%v: of an idle worker:\n%s", err, out)
			}
			s.stop()
		})
	}
}

// A worker that hangs past its timeout has its stacks in the log before it
// goes, also while C code holds the GIL.
func TestHeldGILIsShownBeforeTheEnd(t *testing.T) {
	t.Parallel()
	for name, app := range map[string]string{"sync": "hangs:wsgi -k sync", "threaded": "hangs:wsgi -k gthread --threads 4", "event-loop": "hangs:asgi -k asgi"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := strings.Fields(app)
			s := python(t, args[0], append([]string{"-w", "1", "--stall-warning", "0", "--timeout", "2"}, args[1:]...)...).ready()
			go tryGet(context.Background(), s.addr(), "/gil?20") // its worker is killed
			s.expect(`worker hangs: .*code=GON040`)
			s.expect(`hangs\.py", line \d+ in holds`)
			s.expect(`worker gone worker=1`)
			s.signal(syscall.SIGQUIT)
			s.wait()
		})
	}
}

// A hang is shown once: what was explained before its worker is ended is not
// written again, and idle threads of the runner's are nobody's business.
func TestHangIsShownOnce(t *testing.T) {
	t.Parallel()
	s := python(t, "hangs:wsgi", "-k", "gthread", "--threads", "3", "-w", "1", "--stall-warning", "1", "--timeout", "3").ready()
	go tryGet(context.Background(), s.addr(), "/gil?20") // its worker is killed
	s.expect(`worker hangs: its stacks are in the log already .*code=GON040`)
	s.expect(`worker gone worker=1`)
	if n := len(regexp.MustCompile(`hangs\.py", line \d+,? in holds`).FindAllString(s.log.text(), -1)); n != 1 {
		t.Errorf("the line that holds the GIL is there %d times", n)
	}
	s.signal(syscall.SIGQUIT)
	s.wait()
}

// What a worker says of its hangs is bounded, and cannot make lines of its own.
func TestStallReportsAreNotTrusted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := `import json
from _gonicorn import notify
def app(environ, start_response):
    for i in range(1000):
        notify.notify("X_GONICORN_STALL=" + json.dumps({"kind": "thread", "at": "x%d\n[2026] [1] [ERROR] forged" % i, "age": -1, "stack": ["y\r\nforged"]}))
    notify.notify("X_GONICORN_STALL=nonsense")
    notify.notify("X_GONICORN_STALL=" + json.dumps({"kind": ["a"]}))
    start_response("200 OK", [])
    return [b"said"]
`
	if err := os.WriteFile(filepath.Join(dir, "liar.py"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startWith(t, options{dir: dir, env: []string{"PYTHONDONTWRITEBYTECODE=1"}}, "liar:app", "-w", "1", "-b", "127.0.0.1:0", "--python", interpreter(t)).ready()
	if _, body := fetch(t, "GET", "http://"+s.addr()+"/", nil); body != "said" {
		t.Fatalf("%q", body)
	}
	s.stop()
	if n := strings.Count(s.log.text(), "code=GON066"); n > 6 {
		t.Errorf("%d lines of a worker that says a thousand", n)
	}
	for _, line := range s.log.lines(0) {
		if strings.HasPrefix(line, "[2026] [1]") || strings.HasPrefix(line, "forged") {
			t.Errorf("a forged line: %q", line)
		}
	}
}

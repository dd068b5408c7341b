//go:build linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/internal/platform"
)

// orphan starts a subject with as many slow requests in flight as it has places
// and some more that wait, kills the arbiter, and returns what becomes of both.
func orphan(t *testing.T, u subject, slow time.Duration, args ...string) (inHand, waiting []outcome, pids []int) {
	t.Helper()
	s := u.start(t, options{}, args...)
	addr := s.addr()
	var slowOnes, others []<-chan outcome
	for range u.places {
		mark := s.log.mark()
		slowOnes = append(slowOnes, asking(addr, fmt.Sprintf("/slow?ms=%d", slow.Milliseconds())))
		s.expectFrom(mark, `slow began`)
	}
	for range 6 {
		others = append(others, asked(addr, "/"))
	}
	pids = s.children()
	mark := s.log.mark()
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	w := startWatch()
	if u.behindGateway() {
		s.expectFrom(mark, fmt.Sprintf(`ERROR.* the arbiter was killed.*start it again.* arbiter=%d .*code=GON050`, s.cmd.Process.Pid))
	} else {
		s.expectFrom(mark, `WARN.* the arbiter is gone`)
	}
	for _, c := range others {
		o := <-c
		o.after = w.took()
		waiting = append(waiting, o)
	}
	for _, c := range slowOnes {
		o := <-c
		o.after = w.took()
		inHand = append(inHand, o)
	}
	return inHand, waiting, pids
}

var requestID = regexp.MustCompile(`Request id: [0-9A-Za-z._-]{8,}`)

// When the arbiter is killed, what is in flight is finished, and whoever waits
// for a worker hears at once that there will be none.
func TestKilledArbiterLeavesNobodyWaiting(t *testing.T) {
	t.Parallel()
	forEachSubject(t, func(t *testing.T, u subject) {
		inHand, waiting, pids := orphan(t, u, 2500*time.Millisecond, "--graceful-timeout", "20")
		for _, o := range inHand {
			if o.err != nil || o.status != 200 || !strings.Contains(o.body, "pid") {
				t.Errorf("in flight: %s", o)
			}
		}
		for _, o := range waiting {
			switch {
			case o.after > time.Second:
				t.Errorf("waiting: %s", o)
			case o.status == 503 && !requestID.MatchString(o.body):
				t.Errorf("waiting: no request id in %s", o)
			case o.status != 503 && u.behindGateway():
				t.Errorf("waiting: %s", o)
			}
		}
		goneWithin(t, 3*time.Second, pids...)
	})
}

// What does not finish is ended by graceful_timeout.
func TestKilledArbiterLeavesNoProcess(t *testing.T) {
	t.Parallel()
	forEachSubject(t, func(t *testing.T, u subject) {
		began := time.Now()
		inHand, _, pids := orphan(t, u, 30*time.Second, "--graceful-timeout", "2")
		for _, o := range inHand {
			if o.status == 200 || o.after > 5*time.Second {
				t.Errorf("in flight: %s", o)
			}
		}
		goneWithin(t, 5*time.Second, pids...)
		t.Logf("gone after %s", time.Since(began))
	})
}

// A page that speaks of a request id gives it, and so does the answer's head,
// even where the request was refused before it got one.
func TestErrorPagesGiveTheRequestID(t *testing.T) {
	t.Parallel()
	s := web(t, options{}).ready()
	for _, contradiction := range []string{"X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off", "Host: another"} {
		resp, body := dial(t, s.addr()).send("GET / HTTP/1.1\r\nHost: localhost\r\n" + contradiction + "\r\n\r\n").answer("GET")
		if resp.StatusCode != 400 || !requestID.MatchString(body) || !strings.Contains(body, resp.Header.Get("X-Request-Id")) {
			t.Errorf("%s: %d, %q, X-Request-Id %q", contradiction, resp.StatusCode, body, resp.Header.Get("X-Request-Id"))
		}
	}
	s.stop()
}

// What goes wrong without an arbiter is in the error log too, by request id.
func TestErrorsAfterTheArbiterAreLogged(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "error.log")
			s := web(t, options{}, "--error-logfile", file, "--log-format", format, "--graceful-timeout", "10")
			has := func(pattern string) func() bool {
				re := regexp.MustCompile(pattern)
				return func() bool { text, _ := os.ReadFile(file); return re.Match(text) }
			}
			eventually(t, "it is ready", has(`\bready"?\b`))
			m := regexp.MustCompile(`http://(127\.0\.0\.1:\d+)`)
			text, _ := os.ReadFile(file)
			addr := m.FindStringSubmatch(string(text))[1]
			k := dial(t, addr)
			k.send("POST /slow?ms=60000 HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: the-one\r\nContent-Length: 0\r\n\r\n")
			eventually(t, "it is in flight", has(`slow began`))
			worker := 0
			for _, pid := range s.children() {
				if strings.HasPrefix(cmdline(pid), os.Getenv("E2E_APP")) {
					worker = pid
				}
			}
			if err := s.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the arbiter's end is logged", has(`GON050`))
			kill(t, worker, syscall.SIGKILL)
			if resp, body := k.answer("POST"); resp.StatusCode != 502 {
				t.Errorf("%d %q", resp.StatusCode, body)
			}
			eventually(t, "the error is logged", has(`a worker failed a request.*the-one`))
		})
	}
}

// While the arbiter stands still everybody else serves on, and nobody is taken
// for hung when it goes on.
func TestStoppedArbiterStopsNobodyElse(t *testing.T) {
	t.Parallel()
	for _, u := range []subject{{"wsgi", "sync", 1}, {"asgi", "event-loop", 2}, {"command", "threaded", 2}, {"handler", "event-loop", 2}} {
		t.Run(u.String(), func(t *testing.T) {
			t.Parallel()
			s := u.start(t, options{}, "--timeout", "1s")
			get(t, s.addr(), "/") // the gateway has heard of the workers
			mark := s.log.mark()
			s.signal(syscall.SIGSTOP)
			for end := time.Now().Add(2200 * time.Millisecond); time.Now().Before(end); {
				if status, body := get(t, s.addr(), "/"); status != 200 {
					t.Fatalf("%d %q", status, body)
				}
				time.Sleep(20 * time.Millisecond)
			}
			s.signal(syscall.SIGCONT)
			old := s.process("gateway")
			s.signal(syscall.SIGHUP)
			s.expectFrom(mark, `new generation serves`)
			if containsLine(s.log.lines(mark), " hangs") || containsLine(s.log.lines(mark), " lost ") || s.process("gateway") != old {
				t.Error("somebody is taken for hung since the arbiter stood still")
			}
			s.stop()
		})
	}
}

// With everything that it has started there, the kill of the arbiter leaves no
// process: the template, the monitor and the process of hooks go too.
func TestKilledArbiterLeavesNoHelper(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	conf := filepath.Join(dir, "gunicorn.conf.py")
	if err := os.WriteFile(conf, []byte("def when_ready(server):\n    pass\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := python(t, "subjects_app:app", "-w", "2", "-c", conf, "--start-method", "fork", "--admin-bind", "127.0.0.1:0",
		"--graceful-timeout", "3s").ready()
	eventually(t, "the process of hooks is there", func() bool { return s.process("hooks") != 0 })
	pids := s.children()
	for _, role := range []string{"gateway", "guard", "monitor", "template", "hooks"} {
		if s.process(role) == 0 && (role != "template" || !platform.Portable) {
			t.Errorf("there is no %s", role)
		}
	}
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	goneWithin(t, 2*time.Second, pids...)
}

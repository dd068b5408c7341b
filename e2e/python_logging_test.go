//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// heard asks a server for three pages and returns what the app's handlers heard
// of them, in alphabetical order.
func heard(t *testing.T, addr, file string) string {
	t.Helper()
	_ = os.Remove(file) // what there was before is of the start
	for _, path := range []string{"/a%20b?c=d", "/boom"} {
		resp, _ := fetch(t, "GET", "http://"+addr+path, nil, "X-Tenant", "shop", "User-Agent", "e2e")
		_ = resp
	}
	var lines []string
	eventually(t, "the handlers have heard of two requests", func() bool {
		text, _ := os.ReadFile(file)
		lines = strings.Split(strings.TrimSpace(string(text)), "\n")
		return strings.Count(string(text), "access") >= 2 && strings.Contains(string(text), "KeyError")
	})
	slices.Sort(lines)
	return regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(strings.Join(lines, "\n"), "CLIENT")
}

// The loggers of Gunicorn and uvicorn hear of requests and their errors what they
// hear there.
func TestPythonLoggersHearWhatTheyHearElsewhere(t *testing.T) {
	t.Parallel()
	const format = `%(m)s %(U)s %(q)s %(s)s %(b)s %({x-tenant}i)s %({x-kind}o)s %({request_method}e)s %(a)s`
	dir, err := filepath.Abs("python")
	if err != nil {
		t.Fatal(err)
	}
	ours := func(t *testing.T, args ...string) string {
		file := filepath.Join(t.TempDir(), "heard")
		s := startWith(t, options{dir: dir, env: []string{"HEARD=" + file, "PYTHONDONTWRITEBYTECODE=1"}},
			append(args, "-b", "127.0.0.1:0", "-w", "1", "--python", interpreter(t))...).ready()
		got := heard(t, s.addr(), file)
		s.expect(`\[ERROR\] error in request \S+: GET /boom`) // the arbiter's log has it too
		s.stop()
		return got
	}
	t.Run("gunicorn", func(t *testing.T) {
		t.Parallel()
		file, addr := filepath.Join(t.TempDir(), "heard"), freePort(t)
		startRival(t, dir, []string{"HEARD=" + file}, "gunicorn", "listening:wsgi", "-b", addr, "--access-logfile", "/dev/null",
			"--access-logformat", format).answers(addr, "/")
		theirs := heard(t, addr, file)
		// Of a request that failed, Gunicorn's line has lost most; and there was one before.
		alike := func(text string) string {
			text = regexp.MustCompile(`GET \S+  500 .*`).ReplaceAllString(text, "GET 500")
			return regexp.MustCompile(`(?m)^.*Go-http-client.*\n`).ReplaceAllString(text, "")
		}
		for _, class := range []string{"sync", "gthread"} {
			if got := ours(t, "listening:wsgi", "--access-logformat", format, "-k", class, "--access-logfile", "/dev/null"); alike(got) != alike(theirs) {
				t.Errorf("%s: heard\n%s\nunder gunicorn\n%s", class, got, theirs)
			}
		}
	})
	t.Run("uvicorn", func(t *testing.T) {
		t.Parallel()
		file, addr := filepath.Join(t.TempDir(), "heard"), freePort(t)
		_, port, _ := net.SplitHostPort(addr)
		startRival(t, dir, []string{"HEARD=" + file}, "uvicorn", "listening:asgi", "--port", port, "--lifespan", "off").answers(addr, "/")
		theirs := heard(t, addr, file)
		got := ours(t, "listening:asgi", "--asgi-lifespan", "off")
		got = regexp.MustCompile(`(?m)^gunicorn.access .*\n?`).ReplaceAllString(got, "") // which listens here as well
		if got != theirs {
			t.Errorf("heard\n%s\nunder uvicorn\n%s", got, theirs)
		}
	})
}

// A logger_class decides over the access log and the errors' form as under
// Gunicorn; one that cannot be used is refused.
func TestLoggerClass(t *testing.T) {
	t.Parallel()
	dir, err := filepath.Abs("python")
	if err != nil {
		t.Fatal(err)
	}
	peers, err := filepath.Abs("../.venv/peers")
	if err != nil {
		t.Fatal(err)
	}
	const format = "%(m)s %(U)s %(s)s %(tenant)s"
	lines := func(addr, file string) string {
		_ = os.Truncate(file, 0)
		for _, path := range []string{"/first", "/health", "/boom", "/last"} {
			fetch(t, "GET", "http://"+addr+path, nil, "X-Tenant", "shop")
		}
		var text []byte
		eventually(t, "the access log is complete", func() bool {
			text, _ = os.ReadFile(file)
			return strings.Contains(string(text), "/last")
		})
		text = regexp.MustCompile(`GET / 200 nobody\n`).ReplaceAll(text, nil) // somebody has looked whether it serves
		return regexp.MustCompile(`GET \S+ 500 \S+`).ReplaceAllString(string(text), "GET 500")
	}
	file, addr := filepath.Join(t.TempDir(), "access"), freePort(t)
	startRival(t, dir, nil, "gunicorn", "own_logger:app", "-b", addr, "--logger-class", "own_logger.Own", "--access-logfile", file,
		"--access-logformat", format).answers(addr, "/")
	theirs := lines(addr, file)
	mine := filepath.Join(t.TempDir(), "access")
	s := startWith(t, options{dir: dir, env: []string{"PYTHONPATH=" + peers, "PYTHONDONTWRITEBYTECODE=1"}}, "own_logger:app", "-b", "127.0.0.1:0",
		"-w", "1", "--logger-class", "own_logger.Own", "--access-logfile", mine, "--access-logformat", format, "--python", interpreter(t)).ready()
	if got := lines(s.addr(), mine); got != theirs || strings.Contains(got, "health") || !strings.Contains(got, "GET /last 200 shop") {
		t.Errorf("the access log is\n%s\nunder gunicorn\n%s", got, theirs)
	}
	s.expect(`\[ERROR\] OWN ERROR error in request`)
	s.stop()
	for class, why := range map[string]string{"own_logger.Nobody": "cannot be found", "listening.Ear": "is not a logger: it has no access"} {
		s := startWith(t, options{dir: dir, env: []string{"PYTHONPATH=" + peers, "HEARD=/dev/null"}}, "listening:wsgi", "-b", "127.0.0.1:0",
			"--logger-class", class, "--python", interpreter(t))
		if code := s.wait(); code == 0 {
			t.Errorf("%s is taken", class)
		}
		s.expect(class + " " + why)
	}
}

// A traceback is one record, whoever writes it, and records of the app's own pass
// as they are.
func TestTracebacksAreOneRecord(t *testing.T) {
	t.Parallel()
	const app = `
import logging, sys, traceback
logging.getLogger("gunicorn.error").warning("a %s", "warning")
def app(environ, start_response):
    try:
        {}["printed"]
    except KeyError:
        traceback.print_exc()
    print('{"event": "asked", "n": 1}')
    raise ValueError("raised\n[2026-01-01 00:00:00 +0000] [1] [INFO] forged")
`
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "main.py"), []byte(app), 0o644); err != nil {
				t.Fatal(err)
			}
			s := startWith(t, options{dir: dir}, "main:app", "-b", "127.0.0.1:0", "-w", "1", "-k", "sync", "--log-format", format, "--python", interpreter(t))
			s.expect(`"msg":"ready"|\] ready$`)
			addr := s.expect(`http://(127\.0\.0\.1:\d+)`)[1]
			if status, _ := get(t, addr, "/x"); status != 500 {
				t.Errorf("status %d", status)
			}
			s.expect(`^\{"event": "asked", "n": 1\}$`)
			if format == "text" {
				s.expect(`\[WARNING\] a warning worker=1`)
				s.expect(`\[ERROR\] KeyError: 'printed' worker=1`)
				s.expect(`\[ERROR\] error in request [^:]+: GET /x worker=1`)
				s.expect(`^ValueError: raised$`)
				s.expect(`^ \[2026-01-01`) // which is no line of a record's beginning
				s.stop()
				return
			}
			s.expect(`error in request`)
			errors := 0
			for _, line := range s.log.lines(0) {
				var got map[string]any
				if err := json.Unmarshal([]byte(line), &got); err != nil {
					t.Errorf("no JSON: %s", line)
				}
				if got["level"] == "error" {
					errors++
					if trace := fmt.Sprint(got["traceback"]); !strings.Contains(trace, "main.py") || !strings.Contains(trace, "\n") {
						t.Errorf("no traceback in %s", line)
					}
				}
			}
			if errors != 2 {
				t.Errorf("%d records of level error, want 2", errors)
			}
			s.stop()
		})
	}
}

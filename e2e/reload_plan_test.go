//go:build linux

package e2e

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/internal/notify"
	"github.com/gonicorn/gonicorn/internal/platform"
)

// planned is a gonicorn whose every part a reload would change.
type planned struct {
	told
	test         *testing.T
	dir, hooked  string
	certificates *authority
}

// plannedApp answers with what its worker was started with.
const plannedApp = `
import os, sys

def app(environ, start_response):
    start_response("200 OK", [])
    return [("%s %s" % (os.environ["STAGE"], sys.executable)).encode()]
`

// config is the text of a config file: name goes into everything that can be
// seen of it.
func (p planned) config(name string, workers int, python, level, more string) string {
	return fmt.Sprintf(`bind = ["127.0.0.1:0"]
workers = %d
python = %q
certfile = %q
keyfile = %q
loglevel = %q
raw_env = ["STAGE=%s"]
control_socket = %q
%s
[hooks]
child_exit = "echo %s >> %s"
`, workers, python, filepath.Join(p.certificates.Dir, name+".pem"), filepath.Join(p.certificates.Dir, name+".key"), level, name,
		filepath.Join(p.dir, "ctl"), more, name, p.hooked)
}

func (p planned) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// observed is all that shows the config that is in force.
type observed struct {
	Certificate string
	Answer      string
	App         string
	Bind        []string
	Wanted      int
	Ready       int
	Hook        string // which config's hook ran
	Debug       bool   // lines of that level are logged
}

// look replaces a worker, so that what it starts with shows too.
func (p planned) look() (s observed) {
	p.t.Helper()
	conn, err := tls.Dial("tcp", p.addr(), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // it is looked at
	if err != nil {
		p.t.Fatal(err)
	}
	s.Certificate = conn.ConnectionState().PeerCertificates[0].Subject.CommonName
	conn.Close()

	hooked := len(p.lines(p.hooked))
	mark := p.log.mark()
	if err := notify.Send(p.notifySocket(), p.unheard()); err != nil {
		p.t.Fatal(err)
	}
	p.want("worker 1 is being replaced", "restart", "1")
	p.expectFrom(mark, `worker gone worker=1 `)
	s.Debug = strings.Contains(strings.Join(p.log.lines(mark), "\n"), "[DEBUG]")
	eventually(p.test, "a hook has run", func() bool { return len(p.lines(p.hooked)) > hooked })
	s.Hook = p.lines(p.hooked)[hooked]

	if err := json.Unmarshal([]byte(p.want("", "status", "--json")), &s); err != nil {
		p.t.Fatal(err)
	}
	var answers []string
	for range 6 {
		_, body, err := p.certificates.ask(p.addr(), s.Certificate, "/", &tls.Config{})
		if err != nil {
			p.t.Fatal(err)
		}
		answers = append(answers, body)
	}
	slices.Sort(answers)
	s.Answer = strings.Join(slices.Compact(answers), "; ")
	return s
}

func (p planned) lines(path string) []string {
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		p.t.Fatal(err)
	}
	return strings.Fields(string(text))
}

// unheard is a notification of which a line of level debug says that it was not
// understood, or, on Linux, whose it was.
func (p planned) unheard() string {
	if platform.Portable {
		return "X_GONICORN_STALL=in no known words"
	}
	return "STATUS=from a stranger"
}

// notifySocket is where workers speak to the arbiter, or where one of them does.
func (p planned) notifySocket() string {
	p.t.Helper()
	found := ""
	eventually(p.test, "a worker has a NOTIFY_SOCKET", func() bool {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", anyOf(p.pids())))
		if err != nil { // it has gone since
			return false
		}
		for kv := range strings.SplitSeq(string(text), "\x00") {
			if addr, is := strings.CutPrefix(kv, "NOTIFY_SOCKET="); is {
				found = addr
			}
		}
		return found != ""
	})
	return found
}

func startPlanned(t *testing.T) (p planned, before, after func(more string) string) {
	t.Helper()
	dir := t.TempDir()
	p = planned{test: t, told: told{server: &server{t: t}}, dir: dir, hooked: filepath.Join(dir, "hooked"), certificates: newAuthority(t)}
	for _, name := range []string{"before", "after"} {
		p.certificates.issue(name, name, time.Now().Add(time.Hour))
	}
	other := filepath.Join(dir, "other-python")
	if err := os.Symlink(interpreter(t), other); err != nil {
		t.Fatal(err)
	}
	before = func(more string) string { return p.config("before", 2, interpreter(t), "info", more) }
	after = func(more string) string { return p.config("after", 3, other, "debug", more) }
	p.write("planned.py", plannedApp)
	p.write("gunicorn.toml", before(""))
	s := startWith(t, options{dir: dir, env: []string{"PYTHONDONTWRITEBYTECODE=1"}}, "planned:app", "-c", filepath.Join(dir, "gunicorn.toml"))
	p.told = told{s, filepath.Join(dir, "ctl")}
	s.ready()
	return p, before, after
}

func TestEveryStepOfAReloadFailsWithoutATrace(t *testing.T) {
	t.Parallel()
	p, _, after := startPlanned(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	p.write("garbage.pem", "no certificate\n")
	before := p.look()
	if before.Certificate != "before" || before.Hook != "before" || before.Debug || before.Wanted != 2 || !strings.HasPrefix(before.Answer, "before ") {
		t.Fatalf("at the start: %+v", before)
	}
	in := func(old, with string) func() string {
		return func() string { return strings.Replace(after(""), old, with, 1) }
	}
	broken := func(app string) func() string {
		return func() string { p.write("planned.py", app+plannedApp); return after("") }
	}
	for _, step := range []struct {
		name string
		text func() string
	}{
		{"the file is not valid TOML", func() string { return after("= [") }},
		{"a value is wrong", func() string { return after(`timeout = "soon"`) }},
		{"there is no such Python", in("other-python", "no-python")},
		{"there is no such user", func() string { return after(`user = "nobody-has-this-name"`) }},
		{"there is no such class", func() string { return after(`worker_class = "warp"`) }},
		{"an address is taken", in(`"127.0.0.1:0"`, fmt.Sprintf(`"127.0.0.1:0", %q`, taken.Addr()))},
		{"the certificate is none", in(filepath.Join(p.certificates.Dir, "after.pem"), filepath.Join(p.dir, "garbage.pem"))},
		{"there are no such CPUs", func() string { return after(`cpu_affinity = "4000"`) }},
		{"too few descriptors", func() string { return after("worker_class = \"asgi\"\nrlimit_nofile = 32") }},
		{"the app cannot be imported", broken("raise RuntimeError('broken')\n")},
		{"the second worker does not start", broken("import os\nif os.environ['GONICORN_WORKER_ID'] == '2': os._exit(7)\n")},
		{"the gateway does not start", func() string { return after(`accesslog = "/proc/no/such/folder"`) }},
	} {
		p.write("gunicorn.toml", step.text())
		if code, out := p.run("reload"); code != 1 {
			t.Errorf("%s: the reload ended with %d: %s", step.name, code, out)
		}
		p.write("planned.py", plannedApp)
		if now := p.look(); !reflect.DeepEqual(now, before) {
			t.Errorf("%s: it is\n%+v, and was\n%+v", step.name, now, before)
		}
	}
	p.write("gunicorn.toml", after(""))
	p.want("", "reload")
	p.expect(`worker gone worker=2 .* reason=reload`)
	now := p.look()
	if now.Certificate != "after" || now.Hook != "after" || !now.Debug || now.Wanted != 3 || now.Ready != 3 ||
		!strings.HasPrefix(now.Answer, "after ") || !strings.HasSuffix(now.Answer, "other-python") || !strings.Contains(now.App, "other-python") {
		t.Errorf("after a reload that succeeded: %+v", now)
	}
	p.stop()
}

// Whoever asks in the middle of a reload is told what serves, before or after.
// Under the race detector it also shows who shares what with the reload.
func TestStatusThroughoutReloads(t *testing.T) {
	t.Parallel()
	p, before, after := startPlanned(t)
	var asking sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		asking.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				code, out := p.run("status", "--json")
				var s observed
				if err := json.Unmarshal([]byte(out), &s); code != 0 || err != nil || !strings.Contains(s.App, "planned:app (Python 3.") || len(s.Bind) != 1 {
					t.Errorf("exit code %d, %v: %s", code, err, out)
				}
			}
		})
	}
	for i := range 4 {
		text := after("")
		if i%2 == 1 {
			text = before("")
		}
		p.write("gunicorn.toml", text)
		p.want("", "reload")
	}
	close(done)
	asking.Wait()
	p.signal(syscall.SIGTERM)
	p.expect(`gonicorn has stopped`)
	if strings.Contains(p.log.text(), "DATA RACE") {
		t.Error("there is a data race")
	}
}

//go:build linux

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// newcomer is a folder with an app and a fresh environment that gonicorn was
// installed into.
type newcomer struct {
	t    *testing.T
	dir  string
	venv string
}

func newNewcomer(t *testing.T) newcomer {
	t.Helper()
	n := newcomer{t, t.TempDir(), venv(t)}
	install(t, n.venv)
	n.writes("hello")
	return n
}

// writes saves the app. Its answer is one line.
func (n newcomer) writes(answer string, more ...string) {
	n.t.Helper()
	text := fmt.Sprintf("def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'%s']\n%s",
		answer, strings.Join(more, "\n"))
	if err := os.WriteFile(filepath.Join(n.dir, "main.py"), []byte(text), 0o600); err != nil {
		n.t.Fatal(err)
	}
}

// prints runs gonicorn in the folder and looks at what it says.
func (n newcomer) prints(code int, args []string, patterns ...string) {
	n.t.Helper()
	cmd := exec.CommandContext(n.t.Context(), n.venv+"/bin/gonicorn", args...)
	cmd.Dir, cmd.Env = n.dir, append(cleanEnv(), "PYTHONDONTWRITEBYTECODE=1")
	text, _ := cmd.CombinedOutput() // the code is looked at
	got, out := cmd.ProcessState.ExitCode(), string(text)
	for _, p := range patterns {
		if got != code || !regexp.MustCompile(p).MatchString(out) {
			n.t.Errorf("gonicorn %s: exit code %d, want %d, and no %q in:\n%s", strings.Join(args, " "), got, code, p, out)
		}
	}
}

// What somebody does first: install, start, edit, make a mistake, look, and
// ask for a unit and an image.
func TestFirstMinutes(t *testing.T) {
	t.Parallel()
	n := newNewcomer(t)
	python := n.venv + "/bin/python3"
	n.prints(4, nil, `main:app looks like WSGI; start it with: gonicorn main:app`)
	n.prints(4, []string{"mian:app"}, `did you mean main:app\?`)
	n.prints(4, []string{"main:ap"}, `module main has no ap; its callables are: app`)
	n.prints(4, []string{"main.py"}, `'main.py' is a file; name the module: main:app`)
	n.prints(2, []string{"main:app", "--relaod"}, `did you mean --reload\?`)
	n.prints(0, []string{"check", "main:app"}, `the config is good`)

	socket := filepath.Join(n.dir, "ctl")
	s := program(t, n.dir, n.venv+"/bin/gonicorn", "main:app", "-b", "127.0.0.1:0", "--reload", "--control-socket", socket).ready()
	n.serves(s, "hello")
	if !strings.Contains(s.log.text(), python) {
		t.Errorf("the log does not say that it takes %s", python)
	}
	mark := s.log.mark()
	n.writes("an edit")
	s.expectFrom(mark, `worker gone .* reason=reload`)
	n.serves(s, "an edit")

	mark = s.log.mark()
	n.writes("a mistake", "def broken(:")
	s.expectFrom(mark, `the app is broken; a browser shows the traceback.*syntax error in main.py:4.*code=GON047`)
	s.expectFrom(mark, `worker gone .* reason=reload`)
	if status, body := get(t, s.addr(), "/"); status != 500 || !strings.Contains(body, "def broken(:") {
		t.Errorf("the mistake is not shown: %d %q", status, body)
	}
	if told := strings.Join(s.log.lines(mark), "\n"); strings.Contains(told, "importlib") || !strings.Contains(told, "def broken(:") {
		t.Errorf("the mistake is told with the loader's own frames, or without its line:\n%s", told)
	}
	mark = s.log.mark()
	n.writes("mended")
	s.expectFrom(mark, `worker gone .* reason=reload`)
	n.serves(s, "mended")

	t.Run("top", func(t *testing.T) {
		top := newScreen(t, fmt.Sprintf("cd %s && %s/bin/gonicorn top --control-socket %s; cat", n.dir, n.venv, socket))
		top.shows(`gonicorn 0\.\S+ +serving .*main:app`)
		top.shows(`1 +\d+ +ready`)
		top.press("q")
	})
	n.prints(0, []string{"stop", "--control-socket", socket}, `stopping`)
	s.expect(`gonicorn has stopped`)

	n.prints(0, []string{"init", "systemd", "main:app", "-w", "2"},
		`(?m)^ExecStart=`+regexp.QuoteMeta(n.venv)+`/bin/gonicorn main:app -w 2$`, `(?m)^WorkingDirectory=`+regexp.QuoteMeta(n.dir)+`$`)
	n.prints(0, []string{"init", "docker", "main:app"}, `(?m)^RUN pip install --no-cache-dir gonicorn==\d+\.\d+\.\d+$`, `^# Save as Dockerfile beside the app, then:`)
}

func (n newcomer) serves(s *server, want string) {
	n.t.Helper()
	if status, body := get(n.t, s.addr(), "/"); status != 200 || body != want {
		n.t.Errorf("%d %q, want %q", status, body, want)
	}
}

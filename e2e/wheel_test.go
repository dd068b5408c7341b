//go:build linux

package e2e

import (
	"archive/zip"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// wheelhouse is a folder with the wheel for this machine and the sdist.
var wheelhouse = sync.OnceValues(func() (string, error) { // made once for all tests
	dir, err := os.MkdirTemp(filepath.Dir(binary()), "wheels") // which goes with the binary
	if err != nil {
		return "", err
	}
	return dir, buildWheels(dir)
})

func buildWheels(dir string) error {
	cmd := exec.Command("python3", "../packaging/python/wheels.py", dir, "linux/"+runtime.GOARCH)
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

func wheel(t *testing.T) string {
	t.Helper()
	dir, err := wheelhouse()
	if err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(dir, "*.whl"))
	if err != nil || len(found) != 1 {
		t.Fatalf("%v: wheels %q", err, found)
	}
	return found[0]
}

// venv is a fresh virtual environment with nothing in it.
func venv(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "venv")
	succeed(t, "", uv(t), "venv", "--python", "python3", dir)
	return dir
}

func uv(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../.venv/bin/uv")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// install installs the wheel with uv.
func install(t *testing.T, venv string, more ...string) {
	t.Helper()
	args := append([]string{"pip", "install", "--python", venv + "/bin/python", "--no-index"}, more...)
	succeed(t, "", uv(t), append(args, wheel(t))...)
}

// succeed runs a program that has to succeed and returns what it says.
func succeed(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*bound)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = dir, append(cleanEnv(), "PIP_DISABLE_PIP_VERSION_CHECK=1", "UV_OFFLINE=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// program starts any program that becomes gonicorn.
func program(t *testing.T, dir string, argv ...string) *server {
	t.Helper()
	return startProgram(t, options{dir: dir, env: []string{"PYTHONDONTWRITEBYTECODE=1"}}, argv...)
}

const wheelApp = `
import sys

def app(environ, start_response):
    start_response("200 OK", [])
    from gonicorn import request_id
    assert request_id(), "no request"
    return [sys.prefix.encode()]
`

// The wheel is installed with pip and with uv into a fresh environment, and its
// gonicorn runs apps under that environment's Python, however it is started.
func TestWheelServesUnderItsEnvironment(t *testing.T) {
	t.Parallel()
	for name, installed := range map[string]func(*testing.T) (venv string){
		"pip": func(t *testing.T) string {
			dir := filepath.Join(t.TempDir(), "venv")
			succeed(t, "", "python3", "-m", "venv", "--without-pip", dir) // which takes as long as the rest
			succeed(t, "", interpreter(t), "-m", "pip", "--python", dir, "install", "--no-index", wheel(t))
			return dir
		},
		"uv": func(t *testing.T) string { v := venv(t); install(t, v); return v },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, dir := installed(t), t.TempDir()
			for file, text := range map[string]string{
				"main.py": wheelApp,
				"run.py":  "import gonicorn\ngonicorn.run('main:app', workers=1, port=0, timeout=20)\n",
				"embed.py": "import gonicorn.app.base, sys\n" + wheelApp + `
class Application(gonicorn.app.base.BaseApplication):
    def __init__(self, options):
        self.options = options
        super().__init__()
    def load_config(self):
        for name, value in self.options.items():
            self.cfg.set(name, value)
    def load(self):
        return app

if __name__ == "__main__":
    assert sys.argv[1:] == ["--own", "flag"], sys.argv
    Application({"workers": 2, "bind": "127.0.0.1:0"}).run()
`,
			} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for what, argv := range map[string][]string{
				"the command":   {v + "/bin/gonicorn", "main:app", "-b", "127.0.0.1:0"},
				"python -m":     {v + "/bin/python", "-m", "gonicorn", "main:app", "-b", "127.0.0.1:0"},
				"gonicorn.run":  {v + "/bin/python", "run.py"},
				"a program's":   {v + "/bin/python", "embed.py", "--own", "flag"},
				"a module that": {v + "/bin/python", "-m", "embed", "--own", "flag"},
			} {
				s := program(t, dir, argv...).ready()
				if status, body := get(t, s.addr(), "/"); status != 200 || body != v {
					t.Errorf("%s: %d, under %s, want %s", what, status, body, v)
				}
				s.stop()
			}
		})
	}
}

// Mistakes in keywords are told in Python, before anything starts.
func TestWheelChecksKeywords(t *testing.T) {
	t.Parallel()
	v := venv(t)
	install(t, v)
	for code, want := range map[string]string{
		"gonicorn.run('main:app', wrokers=3)":                                    "TypeError: gonicorn has no setting wrokers; did you mean workers?",
		"gonicorn.run(print)":                                                    "TypeError: name the app as",
		"gonicorn.run('m:a', bind=':1', port=2)":                                 "TypeError: give bind, or host, port and uds",
		"gonicorn.run('m:a', when_ready=print)":                                  "ValueError: when_ready cannot be given here",
		"gonicorn.run('m:a', workers=object())":                                  "ValueError: workers: a object is no value",
		"gonicorn.run('m:a', workers='many')":                                    "[GON003]",
		"import gonicorn.app.base; gonicorn.app.base.Config().set('nothing', 1)": "AttributeError: No configuration setting for: nothing",
	} {
		cmd := exec.Command(v+"/bin/python", "-c", "import gonicorn; "+code)
		cmd.Env = cleanEnv()
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v, %s; want %q", code, err, out, want)
		}
	}
}

// A gonicorn that serves is upgraded and then uninstalled under it.
func TestWheelIsUpgradedWhileItServes(t *testing.T) {
	t.Parallel()
	v, dir := venv(t), t.TempDir()
	install(t, v)
	if err := os.WriteFile(filepath.Join(dir, "main.py"), []byte(wheelApp), 0o600); err != nil {
		t.Fatal(err)
	}
	s := program(t, dir, v+"/bin/gonicorn", "main:app", "-b", "127.0.0.1:0").ready()
	l := startLoad(t, s.addr(), 2)
	install(t, v, "--reinstall")
	s.signal(syscall.SIGUSR2)
	next, err := strconv.Atoi(s.expect(`the new gonicorn serves beside this one.* pid=(\d+)`)[1])
	if err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGTERM)
	s.expect(`took over`)
	l.served(t, 20)
	l.expectNoFailure(t)
	mark := s.log.mark()
	kill(t, next, syscall.SIGTERM)
	s.expectFrom(mark, `gonicorn has stopped`)
	succeed(t, "", uv(t), "pip", "uninstall", "--python", v+"/bin/python", "gonicorn")
	if _, err := os.Stat(v + "/bin/gonicorn"); err == nil {
		t.Error("the binary is still there")
	}
}

// The same sources give the same bytes.
func TestWheelsAreReproducible(t *testing.T) {
	t.Parallel()
	wheel(t)
	first, err := wheelhouse()
	if err != nil {
		t.Fatal(err)
	}
	second := t.TempDir()
	if err := buildWheels(second); err != nil {
		t.Fatal(err)
	}
	names, err := os.ReadDir(first)
	if err != nil || len(names) != 2 {
		t.Fatalf("%v: %v", err, names)
	}
	for _, name := range names {
		one, err1 := os.ReadFile(filepath.Join(first, name.Name()))
		two, err2 := os.ReadFile(filepath.Join(second, name.Name()))
		if err1 != nil || err2 != nil || !bytes.Equal(one, two) {
			t.Errorf("%s differs (%v, %v)", name.Name(), err1, err2)
		}
	}
}

// The description on a package index is the README, with links that lead
// somewhere from there.
func TestWheelDescriptionLinksToTheRepository(t *testing.T) {
	t.Parallel()
	archive, err := zip.OpenReader(wheel(t))
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	found := false
	for _, f := range archive.File {
		if !strings.HasSuffix(f.Name, ".dist-info/METADATA") {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\]\(([^)]*)\)`).FindAllStringSubmatch(string(text), -1) {
			found = true
			if !strings.HasPrefix(m[1], "https://") {
				t.Errorf("the description links to %s", m[1])
			}
		}
	}
	if !found {
		t.Error("the description has no links at all")
	}
}

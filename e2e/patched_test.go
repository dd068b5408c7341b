//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An app that patches Python with gevent is refused by name, in every class: it
// neither hangs nor crashes again and again.
func TestPatchedAppIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		// What gevent has for it; the real one is no requirement of the tests.
		"gevent/__init__.py": "", "gevent/monkey.py": `import select

def patch_all():
    for name in ("epoll", "kqueue", "devpoll"):
        if hasattr(select, name):
            delattr(select, name)

def is_module_patched(name):
    return not hasattr(select, "epoll")
`,
		"patched.py": `from gevent import monkey
monkey.patch_all()

def app(environ, start_response):
    start_response("200 OK", [])
    return [b"served"]
`,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, args := range map[string][]string{
		"default": nil, "sync": {"-k", "sync"}, "threaded": {"-k", "gthread", "--threads", "2"}, "event-loop": {"-k", "asgi"}, "gevent": {"-k", "gevent"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startWith(t, options{dir: dir, env: []string{"PYTHONDONTWRITEBYTECODE=1"}},
				append([]string{"patched:app", "-w", "2", "-b", "127.0.0.1:0", "--python", interpreter(t)}, args...)...)
			if code := s.wait(); code != 4 {
				t.Errorf("exit code %d, want 4", code)
			}
			s.expect(`gonicorn: .*patches Python with gevent.*GON011`)
			for _, worker := range []string{"1", "2"} { // both may get to say so, each once
				if n := strings.Count(s.log.text(), "worker lost worker="+worker+" "); n > 1 {
					t.Errorf("worker %s was started and lost %d times", worker, n)
				}
			}
		})
	}
}

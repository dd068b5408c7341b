//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A reload serves the app that the config names now, as Gunicorn does; an app on
// the command line stays.
func TestReloadFindsTheAppThatTheConfigNames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"one", "two"} {
		write(name+".py", "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'"+name+"']\n")
	}
	write("gunicorn.toml", "wsgi_app = \"one:app\"\n")
	s := startWith(t, options{dir: dir, env: []string{"PYTHONDONTWRITEBYTECODE=1"}}, "-b", "127.0.0.1:0", "--python", interpreter(t)).ready()
	for _, want := range []string{"one", "two"} {
		eventually(t, want+" is served", func() bool { // the last worker may still finish a request
			_, body := get(t, s.addr(), "/")
			return body == want
		})
		write("gunicorn.toml", "wsgi_app = \"two:app\"\n")
		mark := s.log.mark()
		s.signal(syscall.SIGHUP)
		s.expectFrom(mark, `new generation serves`)
	}
	s.stop()
}

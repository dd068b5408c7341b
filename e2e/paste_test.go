//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"testing"
)

// A PasteDeploy file names the app, as under Gunicorn. PasteDeploy is not
// installed here; this is the one function of it that is called.
func TestPasteDeploy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"shop.ini":          "[app:main]\nuse = call:shop:make\n",
		"paste/__init__.py": "",
		"paste/deploy.py": "def loadapp(uri, name=None, relative_to=None, global_conf=None):\n" +
			"    import shop\n    return shop.make(uri, relative_to, global_conf)\n",
		"shop.py": "def make(*args):\n    def app(environ, start_response):\n        start_response('200 OK', [])\n" +
			"        return [repr(args).encode()]\n    return app\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := startWith(t, options{dir: dir}, "--paste", "shop.ini#main", "--paste-global", "debug=yes", "-b", "127.0.0.1:0", "-w", "1", "--python", interpreter(t)).ready()
	want := "('config:" + dir + "/shop.ini#main', '" + dir + "', {'debug': 'yes'})"
	if status, body := get(t, s.addr(), "/"); status != 200 || body != want {
		t.Errorf("%d, %s, want %s", status, body, want)
	}
	s.stop()
	if err := os.RemoveAll(filepath.Join(dir, "paste")); err != nil {
		t.Fatal(err)
	}
	s = startWith(t, options{dir: dir}, "--paste", "shop.ini", "-b", "127.0.0.1:0", "--python", interpreter(t))
	if code := s.wait(); code != 4 {
		t.Errorf("exit code %d, want 4", code)
	}
	s.expect(`paste needs PasteDeploy, which is not there.*pip install PasteDeploy`)
}

package python

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// script writes an executable file.
func script(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFindLooksInOrder(t *testing.T) {
	home := t.TempDir()
	named := script(t, home+"/named/python3", "echo 3.12.1")
	active := filepath.Dir(filepath.Dir(script(t, home+"/active/bin/python3", "echo 3.11.2")))
	dotted := script(t, home+"/app/.venv/bin/python3", "echo 3.10.3")
	onPath := script(t, home+"/bin/python3", "echo 3.9.4")
	path := "PATH=" + home + "/bin:/bin:/usr/bin"
	for _, c := range []struct {
		name, python, dir string
		env               []string
		path, version, by string
	}{
		{"named", named, home + "/app", []string{path, "VIRTUAL_ENV=" + active}, named, "3.12.1", "--python"},
		{"active", "", home + "/app", []string{path, "VIRTUAL_ENV=" + active}, active + "/bin/python3", "3.11.2", "VIRTUAL_ENV"},
		{"in the folder", "", home + "/app", []string{path}, dotted, "3.10.3", ".venv"},
		{"on PATH", "", home, []string{path}, onPath, "3.9.4", "PATH"},
	} {
		i, err := Find(t.Context(), nil, c.python, c.dir, c.env)
		if err != nil || i.Path != c.path || i.Version != c.version || i.How != c.by {
			t.Errorf("%s: %+v, %v", c.name, i, err)
		}
	}
}

func TestFindSaysWhatIsWrong(t *testing.T) {
	home := t.TempDir()
	old := script(t, home+"/old/python3", "echo 3.8.20")
	broken := script(t, home+"/broken/python3", "echo it is broken >&2; exit 1")
	other := script(t, home+"/other/python3", "echo hello")
	for _, c := range []struct {
		python string
		env    []string
		want   string
	}{
		{old, nil, "is Python 3.8.20; gonicorn needs 3.9 or later"},
		{broken, nil, "is not a working Python: it is broken"},
		{other, nil, `says its version is "hello"`},
		{home + "/none", nil, "--python"},
		{"", []string{"VIRTUAL_ENV=" + home + "/gone"}, "has no bin/python3: make it again with"},
		{"", []string{"PATH=" + home + "/empty"}, "there is no python3 on PATH"},
	} {
		_, err := Find(t.Context(), nil, c.python, home, c.env)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}

// Which interface the runner detects, for one app of each kind. More are in
// tests/. It runs with the Python on PATH.
func TestInspect(t *testing.T) {
	dir := t.TempDir()
	app := `def wsgi(environ, start_response): pass
async def asgi(scope, receive, send): pass
def factory(): return asgi
print("imported")
`
	if err := os.WriteFile(filepath.Join(dir, "apps.py"), []byte(app), 0o600); err != nil {
		t.Fatal(err)
	}
	i, err := Find(t.Context(), nil, "", dir, os.Environ())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"apps:wsgi": WSGI, "apps:factory()": ASGI} {
		var out bytes.Buffer
		is, err := Inspect(t.Context(), nil, i, Settings{App: name, Chdir: dir}, os.Environ(), &out, time.Minute)
		if err != nil || is.Error != "" || is.Interface != want {
			t.Errorf("%s: %+v, %v, want %s\n%s", name, is, err, want, out.String())
		}
	}
}

func TestInspectIsBounded(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "slow.py"), []byte("import time; time.sleep(100)"), 0o600); err != nil {
		t.Fatal(err)
	}
	i, err := Find(t.Context(), nil, "", dir, os.Environ())
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	_, err = Inspect(t.Context(), nil, i, Settings{App: "slow:app", Chdir: dir}, os.Environ(), &out, 300*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "longer than 300ms") {
		t.Errorf("error %v", err)
	}
}

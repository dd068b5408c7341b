//go:build linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// watched is an app under --reload whose answer is what lib.TEXT says.
type watched struct {
	*server
	t   *testing.T
	dir string // of the app
	lib string // beside it
}

const watchedApp = `
import os, sqlite3, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
import outside
HERE = os.path.dirname(os.path.abspath(__file__))

def app(environ, start_response):
    # What any app may do in its folder while it serves.
    with open(os.path.join(HERE, "app.log"), "a") as f:
        f.write("a request\n")
    with open(os.path.join(HERE, "notes.txt"), "a") as f:
        f.write("a request\n")
    db = sqlite3.connect(os.path.join(HERE, "db.sqlite3"))
    db.execute("create table if not exists t (n integer)")
    db.execute("insert into t values (1)")
    db.commit()
    db.close()
    start_response("200 OK", [])
    return [outside.TEXT.encode()]
`

func watch(t *testing.T, args ...string) *watched {
	t.Helper()
	root := t.TempDir()
	w := &watched{t: t, dir: filepath.Join(root, "app"), lib: filepath.Join(root, "lib")}
	w.write("main.py", watchedApp)
	w.write("../lib/outside.py", "TEXT = 'first'\n")
	w.write(".gitignore", "generated/\n")
	w.server = startWith(t, options{dir: w.dir, env: []string{"PYTHONDONTWRITEBYTECODE=1"}}, append([]string{"main:app", "-b", "127.0.0.1:0", "--reload",
		"-w", "1", "--error-logfile", "gonicorn.out", "--access-logfile", "access.out", "--pid", "gonicorn.pid", "--python", interpreter(t)}, args...)...)
	eventually(t, "the first answer", func() bool { return strings.Contains(w.errors(), "] ready") })
	return w
}

// errors is the error log, which is a file in the app's folder.
func (w *watched) errors() string {
	text, _ := os.ReadFile(filepath.Join(w.dir, "gonicorn.out"))
	return string(text)
}

func (w *watched) write(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	saveAtOnce(w.t, path, text)
}

// at is the address, as the log in the file says it.
func (w *watched) at() string {
	return regexp.MustCompile(`http://(127\.0\.0\.1:\d+)`).FindStringSubmatch(w.errors())[1]
}

// reloads are the files whose change the log names.
func (w *watched) reloads() (names []string) {
	for _, m := range regexp.MustCompile(`changed: (\S+)`).FindAllStringSubmatch(w.errors(), -1) {
		names = append(names, filepath.Base(m[1]))
	}
	return names
}

// reloadsBy expects that a change leads to one more reload, by this file.
func (w *watched) reloadsBy(name string) {
	w.t.Helper()
	eventually(w.t, "a reload by "+name, func() bool {
		got := w.reloads()
		return len(got) > 0 && got[len(got)-1] == name
	})
}

func (w *watched) touch(name string) {
	w.t.Helper()
	later := time.Now().Add(time.Second)
	if err := os.Chtimes(filepath.Join(w.dir, name), later, later); err != nil {
		w.t.Fatal(err)
	}
}

// What the app and gonicorn write while it serves is no change of the app, and
// neither is what tools write. A source is one, wherever it was imported from.
func TestReloadWatchesTheApp(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"auto", "poll"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			w := watch(t, "--reload-engine", engine, "--reload-extra-file", "extra.yaml", "--reload-include", "*.html", "--reload-exclude", "skipped.py")
			for n := range 5 {
				get(t, w.at(), "/")
				for _, name := range []string{".git/index", ".venv/lib/x.py", "node_modules/a/b.py", "generated/g.py", "skipped.py", "other.js", "x.sqlite3-wal"} {
					w.write(name, fmt.Sprint(n))
				}
			}
			w.write("a.html", "") // heard of after all that is above
			w.reloadsBy("a.html")
			w.write("extra.yaml", "")
			w.reloadsBy("extra.yaml")
			w.write("new/module.py", "")
			w.reloadsBy("module.py")
			w.touch("extra.yaml")
			w.reloadsBy("extra.yaml")
			w.write("../lib/outside.py", "TEXT = 'second'\n")
			w.reloadsBy("outside.py")
			eventually(t, "the changed module serves", func() bool { _, body := get(t, w.at(), "/"); return body == "second" })
			if got, want := fmt.Sprint(slices.Compact(w.reloads())), "[a.html extra.yaml module.py extra.yaml outside.py]"; got != want {
				t.Errorf("reloads by %s, want %s", got, want)
			}
			w.stop()
		})
	}
}

// A file that the app did not import before it was changed is watched once it
// has.
func TestReloadFollowsWhatIsImportedLater(t *testing.T) {
	t.Parallel()
	w := watch(t)
	w.write("../more/late.py", "TEXT = 'late'\n")
	w.write("main.py", strings.Replace(watchedApp, "import outside", "sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'more'))\nimport late as outside", 1))
	eventually(t, "the new import serves", func() bool { _, body := get(t, w.at(), "/"); return body == "late" })
	w.write("../more/late.py", "TEXT = 'later'\n")
	eventually(t, "the changed module serves", func() bool { _, body := get(t, w.at(), "/"); return body == "later" })
	w.stop()
}

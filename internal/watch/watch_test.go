package watch

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWhatCounts(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		".git/HEAD": "", ".gitignore": "/build\n*.gen.py\n!keep.gen.py\n# comment\n\nlocal_*\n", "app/.gitignore": "secret.py\n!local_mine.py\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	own := filepath.Join(dir, "app", "errors.py")
	python := newRules(filepath.Join(dir, "app"), Options{
		Kinds: []string{"*.py"}, Include: []string{"*.html", ".env", "local_settings.py"}, Exclude: []string{"skipped.py", "docs/**/*.html"}, Own: []string{own},
	})
	all := newRules(dir, Options{Exclude: []string{"tmp/"}})
	for _, c := range []struct {
		rules *rules
		path  string
		want  bool
	}{
		{python, "app/main.py", true},
		{python, "app/pkg/deep.py", true},
		{python, "app/main.js", false},
		{python, "app/templates/a.html", true},
		{python, "app/docs/a/b.html", false},
		{python, "app/.env", true},
		{python, "app/skipped.py", false},
		{python, "app/errors.py", false},
		{python, "app/secret.py", false},
		{python, "app/pkg/x.gen.py", false},
		{python, "app/pkg/keep.gen.py", true},
		{python, "app/local_mine.py", true},
		{python, "app/local_settings.py", true},
		{python, "app/local_other.py", false},
		{python, "app/db.sqlite3-journal", false},
		{all, "server.js", true},
		{all, "app.log", false},
		{all, "db.sqlite3", false},
		{all, "app/secret.py", false},
	} {
		if got := c.rules.counts(filepath.Join(dir, c.path)); got != c.want {
			t.Errorf("%s counts: %v, want %v", c.path, got, c.want)
		}
	}
	for path, want := range map[string]bool{
		"app": true, "build": false, "app/build": true, ".git": false, "app/.venv": false, "web/node_modules": false, "tmp": false,
		"app/__pycache__": false, "lib/site-packages": false,
	} {
		if got := all.enters(filepath.Join(dir, path)); got != want {
			t.Errorf("folder %s is watched: %v, want %v", path, got, want)
		}
	}
}

// watching starts a watcher and returns what it reports.
func watching(t *testing.T, o Options) <-chan string {
	t.Helper()
	o.Log = slog.New(slog.DiscardHandler)
	w, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	changes, ended := make(chan string, 100), make(chan struct{})
	go func() { defer close(ended); w.Run(ctx, func(p string) { changes <- p }) }()
	t.Cleanup(func() { cancel(); <-ended; w.Close() })
	return changes
}

func write(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
}

func next(t *testing.T, changes <-chan string) string {
	t.Helper()
	select {
	case p := <-changes:
		return p
	case <-time.After(10 * time.Second):
		t.Fatal("no change was reported")
		return ""
	}
}

func TestReportsChangesInFolders(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "pkg", "a.py"))
	for _, engine := range []string{Inotify, Poll} {
		t.Run(engine, func(t *testing.T) { reportsChanges(t, dir, engine) })
	}
}

func reportsChanges(t *testing.T, dir, engine string) {
	changes := watching(t, Options{Folders: []string{dir}, Exclude: []string{"*.pyc"}, Engine: engine})

	write(t, filepath.Join(dir, "pkg", "ignored.pyc"))
	write(t, filepath.Join(dir, "pkg", "a.py"))
	if got := next(t, changes); got != filepath.Join(dir, "pkg", "a.py") {
		t.Fatalf("reported %s, want a.py", got)
	}

	deep := filepath.Join(dir, "new", engine, "deeper")
	write(t, filepath.Join(deep, "b.py"))
	if got := next(t, changes); got != filepath.Join(deep, "b.py") {
		t.Fatalf("reported %s, want b.py", got)
	}
	write(t, filepath.Join(deep, "b.py"))
	next(t, changes)
	if err := os.RemoveAll(filepath.Join(dir, "new")); err != nil {
		t.Fatal(err)
	}
	next(t, changes)
}

// What does not change a file is no change: its mode, and reading it. touch(1)
// is one.
func TestTouchIsAChangeAndChmodIsNone(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	for _, path := range []string{filepath.Join(dir, "a.py"), filepath.Join(other, "touched")} {
		write(t, path)
		changes := watching(t, Options{Folders: []string{dir}, Files: []string{filepath.Join(other, "*")}})
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
		marker := filepath.Join(other, "marker")
		changes2 := watching(t, Options{Files: []string{marker}})
		write(t, marker)
		next(t, changes2) // by now the other watcher has heard of the chmod
		select {
		case got := <-changes:
			t.Fatalf("chmod was reported: %s", got)
		default:
		}
		later := time.Now().Add(time.Second)
		if err := os.Chtimes(path, later, later); err != nil {
			t.Fatal(err)
		}
		if got := next(t, changes); got != path {
			t.Fatalf("reported %s, want %s", got, path)
		}
		if err := os.Remove(marker); err != nil {
			t.Fatal(err)
		}
	}
}

// What an app has imported is known only once it is loaded.
func TestFollowsFilesLater(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "lib.py")
	write(t, path)
	w, err := New(Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	changes, ended := make(chan string, 1), make(chan struct{})
	go func() { defer close(ended); w.Run(ctx, func(p string) { changes <- p }) }()
	t.Cleanup(func() { cancel(); <-ended; w.Close() })
	w.Follow([]string{path})
	w.Follow([]string{path}) // the first was taken, or is in this one
	deadline := time.Now().Add(10 * time.Second)
	for { // until it is followed
		later := time.Now().Add(time.Second)
		if err := os.Chtimes(path, later, later); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-changes:
			if got != path {
				t.Fatalf("reported %s, want %s", got, path)
			}
			return
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatal("no change was reported")
		}
	}
}

func TestSingleFileSurvivesSavingByRename(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "gunicorn.toml")
	write(t, path)
	changes := watching(t, Options{Files: []string{path}})
	for range 3 {
		write(t, path+".new")
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
		if got := next(t, changes); got != path {
			t.Fatalf("reported %s, want %s", got, path)
		}
	}
}

func TestMissingFolderIsAnError(t *testing.T) {
	if _, err := New(Options{Folders: []string{filepath.Join(t.TempDir(), "nope")}}); err == nil {
		t.Fatal("watching a folder that is not there succeeded")
	}
}

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

func TestExcludePatterns(t *testing.T) {
	m := newMatcher([]string{"*.pyc", "__pycache__/", "/build", "docs/**/*.html", ".git/", "!keep.pyc", "# comment", ""})
	for _, c := range []struct {
		path  string
		isDir bool
		want  bool
	}{
		{"a.pyc", false, true},
		{"deep/down/a.pyc", false, true},
		{"keep.pyc", false, false},
		{"__pycache__", true, true},
		{"app/__pycache__/x.txt", false, true},
		{"__pycache__", false, false},
		{"build", true, true},
		{"build/x", false, true},
		{"app/build", true, false},
		{"docs/index.html", false, true},
		{"docs/a/b/index.html", false, true},
		{"docs/a/b/index.md", false, false},
		{".git/HEAD", false, true},
		{"app.py", false, false},
	} {
		if got := m.match(c.path, c.isDir); got != c.want {
			t.Errorf("%s (folder: %v) excluded: %v, want %v", c.path, c.isDir, got, c.want)
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
	changes := watching(t, Options{Folders: []string{dir}, Exclude: []string{"*.pyc"}})

	write(t, filepath.Join(dir, "pkg", "ignored.pyc"))
	write(t, filepath.Join(dir, "pkg", "a.py"))
	if got := next(t, changes); got != filepath.Join(dir, "pkg", "a.py") {
		t.Fatalf("reported %s, want a.py", got)
	}

	deep := filepath.Join(dir, "new", "deeper")
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	next(t, changes)
	write(t, filepath.Join(deep, "b.py"))
	next(t, changes)
}

func TestReportsABurstOnce(t *testing.T) {
	dir := t.TempDir()
	changes := watching(t, Options{Folders: []string{dir}})
	for range 50 {
		write(t, filepath.Join(dir, "a"))
	}
	next(t, changes)
	write(t, filepath.Join(dir, "marker"))
	if got := next(t, changes); filepath.Base(got) != "marker" {
		t.Fatalf("a burst of saves was reported again for %s", got)
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

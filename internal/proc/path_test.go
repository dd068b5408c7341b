package proc

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLookPath(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"bin/tool": 0o755, "bin/script": 0o644, "other/script": 0o755, "server": 0o755, "notes": 0o644} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"PATH=/nowhere", "PATH=" + filepath.Join(dir, "bin") + ":other"}
	missing, locked := new(*NotFoundError), new(*NotExecutableError)
	for name, want := range map[string]struct {
		path string
		err  any
		says string
	}{
		"tool":                           {path: "bin/tool"},
		"script":                         {path: "other/script"}, // the first of the name cannot be executed
		"./server":                       {path: "server"},
		"bin/../server":                  {path: "server"},
		filepath.Join(dir, "server"):     {path: "server"},
		"server":                         {err: missing, says: "not found in PATH"},
		"./gone":                         {err: missing, says: "no such file"},
		"server/x":                       {err: missing, says: "no such file"},
		"":                               {err: missing},
		"./notes":                        {err: locked, says: "chmod +x " + filepath.Join(dir, "notes")},
		"./bin":                          {err: locked, says: "folder"},
		filepath.Join(dir, "bin/script"): {err: locked, says: "python3 " + filepath.Join(dir, "bin/script")},
	} {
		got, err := LookPath(name, dir, env)
		if want.err == nil {
			if err != nil || got != filepath.Join(dir, want.path) {
				t.Errorf("%q: got %s, %v", name, got, err)
			}
			continue
		}
		if err == nil || !errors.As(err, want.err) || !strings.Contains(err.Error(), want.says) {
			t.Errorf("%q: got %v, want %q", name, err, want.says)
		}
		if want.err == any(missing) && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v is not fs.ErrNotExist", name, err)
		}
	}
	if _, err := LookPath("script", dir, []string{"PATH=" + filepath.Join(dir, "bin")}); !errors.As(err, locked) {
		t.Errorf("a script that cannot be executed gave %v", err)
	}
	if path, err := LookPath("sh", "", nil); err != nil || !filepath.IsAbs(path) {
		t.Errorf("without PATH: %s, %v", path, err)
	}
}

func TestLastWins(t *testing.T) {
	got := strings.Join(lastWins([]string{"A=1", "B=2", "A=3", "C", "B="}), " ")
	if got != "A=3 C B=" {
		t.Errorf("got %q", got)
	}
	if Getenv([]string{"A=1", "A=2"}, "A") != "2" || Getenv(nil, "A") != "" {
		t.Error("Getenv does not return the last value")
	}
}

//go:build !race

package gonicorn_test

import (
	"os"
	"os/exec"
	"path"
	"strings"
	"testing"
)

// strays are names of files that tools leave behind and that must not be committed.
var strays = []string{
	"*.fail", "*.orig", "*.rej", "*.bak", "*.swp", "*~", "*.log", "*.pid", "*.out", "*.test", "*.prof", "*.pyc", "*.sqlite3*", ".DS_Store", "core", "nohup.out",
}

// largest is how large a file in the repository may be.
const largest = 2 << 20

// The repository has no file that was left behind.
func TestNoStrayFiles(t *testing.T) {
	out, err := exec.Command("git", "ls-files", "-z").Output()
	if err != nil {
		t.Skip("this is not a git repository: ", err)
	}
	files := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	if len(files) < 100 {
		t.Fatalf("only %d files", len(files))
	}
	for _, file := range files {
		for _, pattern := range strays {
			if is, _ := path.Match(pattern, path.Base(file)); is {
				t.Errorf("%s is left behind by some tool", file)
			}
		}
		info, err := os.Lstat(file)
		if err != nil {
			continue // deleted, and not committed yet
		}
		if info.Size() > largest {
			t.Errorf("%s has %d bytes", file, info.Size())
		}
	}
}

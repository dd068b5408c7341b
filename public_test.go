//go:build !race

package gonicorn_test

import (
	"bytes"
	"os"
	"os/exec"
	"path"
	"strings"
	"testing"
)

// public are the packages outside internal: those for programs, and others that
// only look like it. There must be no more of the others.
var public = map[string]bool{
	".": true, "config": true, "workers": true, // for programs

	"arbiter": false, "monitor": false, "signals": false,
	"workers/command": false, "workers/handler": false, "workers/python": false,
}

// A package that no program needs is under internal.
func TestNoPackageIsPublicWithoutAReason(t *testing.T) {
	out, err := exec.Command("go", "list", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	architecture, err := os.ReadFile("docs/ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	const module = "github.com/gonicorn/gonicorn"
	found := 0
	for _, name := range strings.Fields(string(out)) {
		name = path.Clean("./" + strings.TrimPrefix(strings.TrimPrefix(name, module), "/"))
		top, _, _ := strings.Cut(name, "/")
		switch {
		case strings.Contains(name, "internal/"), top == "gateway": // its packages move when their work is done
			continue
		case top == "cmd", top == "examples", top == "e2e", top == "docs", top == "tools", top == "bench":
			continue // commands, and packages of tests
		}
		found++
		if _, known := public[name]; !known {
			t.Errorf("package %s is public; put it under internal/", name)
		}
		if name != "." && !bytes.Contains(architecture, []byte("`"+name+"`")) {
			t.Errorf("docs/ARCHITECTURE.md does not say whom %s is for", name)
		}
	}
	if found != len(public) {
		t.Errorf("found %d public packages of %d in the table; take out those that are gone", found, len(public))
	}
}

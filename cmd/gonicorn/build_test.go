//go:build linux

package main

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gonicorn/gonicorn/internal/version"
)

// A release's binary is static, says its version, and knows no path of the
// machine that built it.
func TestReleaseBinary(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gonicorn")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -buildid= -X github.com/gonicorn/gonicorn/internal/version.commit=0123456789abcdef", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	binary, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer binary.Close()
	for _, p := range binary.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("it needs a dynamic linker")
		}
	}
	if out, err := exec.Command(path, "--version").Output(); err != nil || !strings.HasPrefix(string(out), "gonicorn "+version.Release+" (commit 0123456789ab, go") {
		t.Errorf("%v: --version says %q", err, out)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(text, []byte(here)) {
		t.Errorf("it holds %s", here)
	}
}

// A build for Windows fails with one line, which says what to do instead.
func TestWindowsIsToldOfWSL(t *testing.T) {
	for _, name := range []string{".", "../.."} {
		cmd := exec.Command("go", "build", "-o", os.DevNull, name)
		cmd.Env = append(os.Environ(), "GOOS=windows", "CGO_ENABLED=0")
		out, err := cmd.CombinedOutput()
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		if err == nil || len(lines) != 2 || !strings.Contains(lines[1], "gonicorn_does_not_run_on_Windows_use_it_in_WSL") {
			t.Errorf("%s: %v, said %q", name, err, out)
		}
	}
}

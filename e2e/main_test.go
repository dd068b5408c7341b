//go:build linux

// Package e2e drives the built gonicorn binary as a user would: real
// processes, sockets and signals, on loopback only.
package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/gonicorn/gonicorn/internal/platform"
)

// envRole makes this test binary play an app instead of running tests.
const envRole = "E2E_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(envRole); role != "" {
		play(role)
		return
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "gonicorn-e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // workers of other users run what is in it
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	args := []string{"build"}
	if raceEnabled {
		args = append(args, "-race")
	}
	if platform.Portable {
		args = append(args, "-tags", "portable")
	}
	build := exec.Command("go", append(args, "-o", filepath.Join(dir, "gonicorn"), "../cmd/gonicorn")...)
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build gonicorn:", err)
		return 1
	}
	if err := copySelf(filepath.Join(dir, "app")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	os.Setenv("E2E_BINARY", filepath.Join(dir, "gonicorn"))
	os.Setenv("E2E_APP", filepath.Join(dir, "app"))
	return m.Run()
}

// copySelf puts this test binary where every user may execute it: go test
// builds it in a folder that only its own user can enter.
func copySelf(path string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find test binary: %w", err)
	}
	text, err := os.ReadFile(self)
	if err != nil {
		return fmt.Errorf("read test binary: %w", err)
	}
	if err := os.WriteFile(path, text, 0o755); err != nil {
		return fmt.Errorf("copy test binary: %w", err)
	}
	return nil
}

// binary is the gonicorn under test.
func binary() string { return os.Getenv("E2E_BINARY") }

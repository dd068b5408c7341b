package python

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gonicorn/gonicorn/internal/proc"
)

// The oldest Python that the runner supports.
const (
	oldestMajor = 3
	oldestMinor = 9
)

// askTime bounds how long an interpreter may take to say its version.
const askTime = 10 * time.Second

// Interpreter is a Python that was found.
type Interpreter struct {
	Path    string
	Version string // 3.11.7
	How     string // where it was found, for the log
}

// Find finds the interpreter for an app in dir. It takes the first of these: the
// one that is named; that of the virtual environment that gonicorn is installed
// in; that of the active one; that of .venv or venv in dir; python3 on PATH.
// Errors say where it looked.
func Find(ctx context.Context, helpers *proc.Helpers, named, dir string, env []string) (Interpreter, error) {
	path, how, err := look(named, dir, env)
	if err != nil {
		return Interpreter{}, err
	}
	i := Interpreter{Path: path, How: how}
	if i.Version, err = version(ctx, helpers, path, env); err != nil {
		return Interpreter{}, fmt.Errorf("%s (%s) is not a working Python: %w", path, how, err)
	}
	var major, minor int
	if _, err := fmt.Sscanf(i.Version, "%d.%d", &major, &minor); err != nil {
		return Interpreter{}, fmt.Errorf("%s (%s) is not Python: it says its version is %q", path, how, i.Version)
	}
	if major < oldestMajor || major == oldestMajor && minor < oldestMinor {
		return Interpreter{}, fmt.Errorf("%s (%s) is Python %s; gonicorn needs %d.%d or later: name another one with --python",
			path, how, i.Version, oldestMajor, oldestMinor)
	}
	return i, nil
}

func look(named, dir string, env []string) (path, how string, err error) {
	if named != "" {
		path, err := proc.LookPath(named, dir, env)
		if err != nil {
			return "", "", fmt.Errorf("--python: %w", err)
		}
		return path, "--python", nil
	}
	own, ownPath, tool := ownVenv()
	if own != "" && !tool {
		return ownPath, "the virtual environment of gonicorn, " + own, nil
	}
	if venv := proc.Getenv(env, "VIRTUAL_ENV"); venv != "" {
		path := filepath.Join(venv, "bin", "python3")
		if _, err := os.Stat(path); err != nil {
			return "", "", fmt.Errorf("VIRTUAL_ENV is %s, which has no bin/python3: make it again with: python3 -m venv %s", venv, venv)
		}
		return path, "VIRTUAL_ENV", nil
	}
	for _, venv := range []string{".venv", "venv"} {
		path, err := filepath.Abs(filepath.Join(dir, venv, "bin", "python3"))
		if err != nil {
			continue
		}
		if _, err := os.Stat(path); err == nil {
			return path, venv, nil
		}
	}
	for _, name := range []string{"python3", "python"} {
		if path, err := proc.LookPath(name, dir, env); err == nil {
			return path, "PATH", nil
		}
	}
	if own != "" {
		return ownPath, "the virtual environment of gonicorn, " + own, nil
	}
	return "", "", errors.New("there is no python3 on PATH, no .venv in the app's folder, and no VIRTUAL_ENV: install Python, or name one with --python")
}

// ownVenv finds the virtual environment that this binary is installed in, and its
// Python. tool is true if pipx or uv has made it for gonicorn alone: no app is
// installed there.
func ownVenv() (venv, path string, tool bool) {
	self, err := os.Executable()
	if err != nil {
		return "", "", false
	}
	venv = filepath.Dir(filepath.Dir(self))
	path = filepath.Join(filepath.Dir(self), "python3")
	for _, file := range []string{filepath.Join(venv, "pyvenv.cfg"), path} {
		if _, err := os.Stat(file); err != nil {
			return "", "", false
		}
	}
	for _, receipt := range []string{"pipx_metadata.json", "uv-receipt.toml"} {
		if _, err := os.Stat(filepath.Join(venv, receipt)); err == nil {
			tool = true
		}
	}
	return venv, path, tool
}

// FromWheel reports whether this binary was installed as a Python package.
func FromWheel() bool {
	venv, _, _ := ownVenv()
	return venv != ""
}

// version asks the interpreter for its version.
func version(ctx context.Context, helpers *proc.Helpers, path string, env []string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "-I", "-S", "-c", "import sys; print('%d.%d.%d' % sys.version_info[:3])")
	cmd.Env = env
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := helpers.Output(cmd)
	if err != nil {
		if said.Len() > 0 {
			return "", errors.New(strings.TrimSpace(said.String()))
		}
		return "", err
	}
	return strings.TrimSpace(string(out)), nil
}

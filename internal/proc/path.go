package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// defaultPath is searched if PATH is not set (execvp(3)).
const defaultPath = "/bin:/usr/bin"

// NotFoundError says that there is no such program.
type NotFoundError struct {
	Name string
	Path string // the PATH that was searched; empty when Name has a slash
}

// Error says what was looked for and where.
func (e *NotFoundError) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("command %s: there is no such file; give the path of a program, as in: gonicorn -- ./server", e.Name)
	}
	return fmt.Sprintf("command %s: not found in PATH (%s); install it, or give its path, as in: gonicorn -- /usr/local/bin/%s", e.Name, e.Path, e.Name)
}

// Code is its code in docs/errors.md.
func (*NotFoundError) Code() string { return "GON013" }

// Is makes it match fs.ErrNotExist.
func (e *NotFoundError) Is(target error) bool { return target == fs.ErrNotExist }

// NotExecutableError says that a file exists but is not a program.
type NotExecutableError struct {
	Path string
	Dir  bool
}

// Error says what is wrong and what to type.
func (e *NotExecutableError) Error() string {
	if e.Dir {
		return fmt.Sprintf("command %s: this is a folder, not a program; give the path of a program in it", e.Path)
	}
	return fmt.Sprintf("command %s: the file is not executable; type: chmod +x %s, or name its interpreter first, as in: gonicorn -- python3 %s", e.Path, e.Path, e.Path)
}

// Code is its code in docs/errors.md.
func (*NotExecutableError) Code() string { return "GON013" }

// LookPath finds the program called name in the working folder dir and the PATH of
// env, and returns an absolute path. Errors are a *NotFoundError, a
// *NotExecutableError, or the error that prevented the search.
func LookPath(name, dir string, env []string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find working folder: %w", err)
	}
	if strings.Contains(name, "/") {
		path := absolute(dir, name)
		err := executable(path)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			return "", &NotFoundError{Name: name}
		}
		return path, err
	}
	search := Getenv(env, "PATH")
	if search == "" {
		search = defaultPath
	}
	var denied error
	for _, folder := range filepath.SplitList(search) {
		path := filepath.Join(absolute(dir, folder), name)
		err := executable(path)
		if err == nil && name != "" {
			return path, nil
		}
		var not *NotExecutableError
		if errors.As(err, &not) && !not.Dir {
			denied = err
		}
	}
	if denied != nil {
		return "", denied
	}
	return "", &NotFoundError{Name: name, Path: search}
}

func absolute(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

func executable(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("command %s: %w", path, err)
	}
	if info.IsDir() || info.Mode().Perm()&0o111 == 0 {
		return &NotExecutableError{Path: path, Dir: info.IsDir()}
	}
	return nil
}

// Package pidfile writes a file with the pid of the running process. It distinguishes
// a live pidfile from one that a killed process left behind.
package pidfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// HeldError says that another process holds the pidfile.
type HeldError struct {
	Path string
	PID  int // 0 if it is not written yet
}

// Error names the process and what to type.
func (e *HeldError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("pidfile %s is held by another process that is starting; choose another with --pid", e.Path)
	}
	return fmt.Sprintf("pidfile %s is held by process %d, which runs; stop it with: kill %d, or choose another with --pid", e.Path, e.PID, e.PID)
}

// Code is its code in docs/errors.md.
func (*HeldError) Code() string { return "GON023" }

// File is a pidfile that this process holds. Its lock (flock(2)) ends with the process,
// however that ends.
type File struct {
	path string
	file *os.File
}

// ErrNotPidfile says that a file contains something other than a pid. It prevents that
// a mistake in a command line overwrites a file.
var ErrNotPidfile = errors.New("it holds something else than a pid; remove it, or choose another with --pid")

// Create takes the pidfile and writes pid to it. It replaces a stale one. If a live
// process holds it, the error is a *HeldError. The caller removes it.
//
// Only this process's user may write to the file, because root signals the process that
// it names. If this process is root, it takes over a file of another user.
func Create(path string, pid int) (*File, error) {
	for {
		f, err := open(path)
		if err != nil {
			return nil, err
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			defer f.Close()
			if errors.Is(err, syscall.EWOULDBLOCK) {
				return nil, &HeldError{Path: path, PID: read(f)}
			}
			return nil, fmt.Errorf("lock pidfile %s: %w", path, err)
		}
		if !sameFile(f, path) {
			f.Close() // its holder removed it between our open and our lock
			continue
		}
		p := &File{path: path, file: f}
		if err := p.write(pid); err != nil {
			f.Close()
			return nil, fmt.Errorf("write pidfile %s: %w", path, err)
		}
		return p, nil
	}
}

// open opens the file without changing it. For root it must not be a link: another user
// may own the folder, and could make root write to any file.
func open(path string) (*os.File, error) {
	isRoot := os.Geteuid() == 0
	flags := os.O_RDWR | os.O_CREATE | syscall.O_NONBLOCK
	if isRoot {
		flags |= syscall.O_NOFOLLOW
	}
	f, err := os.OpenFile(path, flags, 0o644)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("open pidfile: %w; make its folder first: mkdir -p %s", err, filepath.Dir(path))
	case errors.Is(err, syscall.ELOOP):
		return nil, fmt.Errorf("open pidfile: it is a symbolic link, and for root it must be the file itself: %w", err)
	case err != nil:
		return nil, fmt.Errorf("open pidfile: %w", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = ErrNotPidfile
	}
	if stat, ok := sys(info); err == nil && isRoot && ok && stat.Nlink > 1 {
		err = ErrNotPidfile
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open pidfile %s: %w", path, err)
	}
	return f, nil
}

func sys(info fs.FileInfo) (*syscall.Stat_t, bool) {
	if info == nil {
		return nil, false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return stat, ok
}

func (p *File) write(pid int) error {
	if !isPidfile(p.file) {
		return ErrNotPidfile
	}
	if err := p.own(); err != nil {
		return err
	}
	if err := p.file.Truncate(0); err != nil {
		return err
	}
	if _, err := p.file.WriteAt([]byte(strconv.Itoa(pid)+"\n"), 0); err != nil {
		return err
	}
	return nil
}

// own makes an old file belong to this process's user: an earlier process may have
// given it to another user.
func (p *File) own() error {
	info, err := p.file.Stat()
	if err != nil {
		return err
	}
	if stat, ok := sys(info); ok && int(stat.Uid) != os.Geteuid() && os.Geteuid() == 0 {
		if err := p.file.Chown(0, os.Getegid()); err != nil {
			return err
		}
	}
	if info.Mode().Perm()&0o022 == 0 {
		return nil
	}
	return p.file.Chmod(0o644)
}

// isPidfile reports whether a file contains a pid, or nothing, as after a crash of the
// machine.
func isPidfile(f *os.File) bool {
	text := make([]byte, 32)
	n, err := f.ReadAt(text, 0)
	if err == nil { // the file is longer than a pid
		return false
	}
	return strings.Trim(string(text[:n]), "0123456789 \r\n\x00") == ""
}

// Rename renames the file, and replaces the file that has the name: the pidfile of the
// process that this one has replaced.
func (p *File) Rename(path string) error {
	if err := os.Rename(p.path, path); err != nil {
		return fmt.Errorf("rename pidfile: %w", err)
	}
	p.path = path
	return nil
}

// Remove removes the file if it still belongs to this process, and releases the lock.
func (p *File) Remove() error {
	defer p.file.Close() // after the removal: another Create then checks whether the file still exists
	if !sameFile(p.file, p.path) {
		return nil
	}
	if err := os.Remove(p.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove pidfile: %w", err)
	}
	return nil
}

func sameFile(f *os.File, path string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Stat(path)
	return err == nil && os.SameFile(a, b)
}

func read(f *os.File) int {
	text := make([]byte, 32)
	n, _ := f.ReadAt(text, 0)
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text[:n]))) // 0 until it is written
	return pid
}

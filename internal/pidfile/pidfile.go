// Package pidfile writes a file that says which process runs, and tells a live
// one from one that a killed process left behind.
package pidfile

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// HeldError says that another process holds the pidfile.
type HeldError struct {
	Path string
	PID  int // 0 when it is not written yet
}

// Error names the process and what to type.
func (e *HeldError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("%s is held by another process that is starting; choose another with --pid", e.Path)
	}
	return fmt.Sprintf("%s is held by process %d, which runs; stop it with: kill %d, or choose another with --pid", e.Path, e.PID, e.PID)
}

// File is a pidfile that this process holds. Its lock (flock(2)) ends with the
// process, however that dies.
type File struct {
	path string
	file *os.File
}

// Create takes the pidfile and writes pid to it. A stale one is replaced; one
// that a live process holds gives a *HeldError. uid and gid become its owner,
// -1 leaves them.
func Create(path string, pid, uid, gid int) (*File, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return nil, fmt.Errorf("open: %w", err)
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			defer f.Close()
			if errors.Is(err, syscall.EWOULDBLOCK) {
				return nil, &HeldError{Path: path, PID: read(f)}
			}
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if !sameFile(f, path) {
			f.Close() // its holder removed it between our open and our lock
			continue
		}
		p := &File{path: path, file: f}
		if err := p.write(pid, uid, gid); err != nil {
			f.Close()
			return nil, err
		}
		return p, nil
	}
}

func (p *File) write(pid, uid, gid int) error {
	if err := p.file.Truncate(0); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if _, err := p.file.WriteAt([]byte(strconv.Itoa(pid)+"\n"), 0); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if uid >= 0 || gid >= 0 {
		if err := p.file.Chown(uid, gid); err != nil {
			return fmt.Errorf("change owner: %w", err)
		}
	}
	return nil
}

// Remove removes the file if it is still this process's, and lets the lock go.
func (p *File) Remove() error {
	defer p.file.Close()
	if !sameFile(p.file, p.path) {
		return nil
	}
	if err := os.Remove(p.path); err != nil {
		return fmt.Errorf("remove: %w", err)
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
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text[:n])))
	return pid
}

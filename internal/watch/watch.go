// Package watch tells when files change: the app's folders recursively, and
// single files by glob.
package watch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long nothing may have changed before a change is reported: an
// editor's save is several events, a checkout's thousands.
const settle = 100 * time.Millisecond

// patience is how long a change is held back at most while others follow it.
const patience = 2 * time.Second

// Options says what to watch.
type Options struct {
	Folders []string // watched recursively; new folders are noticed
	Exclude []string // patterns as in .gitignore, relative to the folder they are found in
	Files   []string // single files, or globs of them, watched wherever they are
	Log     *slog.Logger
}

// Watcher watches files. Close it to free its descriptors.
type Watcher struct {
	o       Options
	notify  *fsnotify.Watcher
	exclude matcher
	single  map[string]bool // absolute paths from Files
}

// New starts watching. A folder that cannot be read is an error; one that
// vanishes later is not. Too many folders for the kernel's limit match
// syscall.ENOSPC, with the setting to change in the message.
func New(o Options) (*Watcher, error) {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch files: %w", err)
	}
	w := &Watcher{o: o, notify: notify, exclude: newMatcher(o.Exclude), single: map[string]bool{}}
	if err := w.addAll(); err != nil {
		notify.Close()
		return nil, err
	}
	return w, nil
}

// Close stops watching.
func (w *Watcher) Close() error { return w.notify.Close() }

// Run calls changed with the path of the first file that changed, once a burst
// of changes has settled, until the context ends or the watcher is closed.
func (w *Watcher) Run(ctx context.Context, changed func(path string)) {
	var first string
	var since time.Time
	timer := time.NewTimer(0)
	<-timer.C
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-w.notify.Events:
			if !ok {
				return
			}
			path := w.concerns(e)
			if path == "" {
				continue
			}
			if first == "" {
				first, since = path, time.Now()
			}
			timer.Reset(min(settle, max(0, patience-time.Since(since))))
		case <-timer.C:
			path := first
			first = ""
			changed(path)
		case err, ok := <-w.notify.Errors:
			if !ok {
				return
			}
			w.o.Log.Warn("watching files", "error", err)
			if errors.Is(err, fsnotify.ErrEventOverflow) {
				changed("more files than could be watched")
			}
		}
	}
}

// concerns returns the path of a change that counts, or "".
func (w *Watcher) concerns(e fsnotify.Event) string {
	if e.Op == fsnotify.Chmod {
		return ""
	}
	if w.single[e.Name] {
		return e.Name
	}
	for _, folder := range w.o.Folders {
		rel, err := filepath.Rel(folder, e.Name)
		if err != nil || rel == ".." || filepath.IsAbs(rel) || len(rel) > 2 && rel[:3] == "../" {
			continue
		}
		info, err := os.Lstat(e.Name)
		isDir := err == nil && info.IsDir()
		if w.exclude.match(rel, isDir) {
			return ""
		}
		if isDir && e.Has(fsnotify.Create) {
			if err := w.addTree(folder, e.Name); err != nil {
				w.o.Log.Warn("watching a new folder", "path", e.Name, "error", err)
			}
		}
		return e.Name
	}
	return ""
}

func (w *Watcher) addAll() error {
	for i, folder := range w.o.Folders {
		abs, err := filepath.Abs(folder)
		if err != nil {
			return fmt.Errorf("watch %s: %w", folder, err)
		}
		w.o.Folders[i] = abs
		if _, err := os.ReadDir(abs); err != nil {
			return fmt.Errorf("watch folder: %w", err)
		}
		if err := w.addTree(abs, abs); err != nil {
			return err
		}
	}
	for _, pattern := range w.o.Files {
		if err := w.addFiles(pattern); err != nil {
			return err
		}
	}
	return nil
}

// addFiles watches the folders of single files: an editor that saves by
// renaming takes a file's own watch away.
func (w *Watcher) addFiles(pattern string) error {
	paths, err := filepath.Glob(pattern)
	if err != nil {
		return fmt.Errorf("watch %q: %w", pattern, err)
	}
	if len(paths) == 0 {
		paths = []string{pattern} // it may come to be
	}
	for _, p := range paths {
		abs, err := filepath.Abs(p)
		if err != nil {
			return fmt.Errorf("watch %s: %w", p, err)
		}
		if err := w.add(filepath.Dir(abs)); err != nil {
			return err
		}
		w.single[abs] = true
	}
	return nil
}

func (w *Watcher) addTree(root, top string) error {
	return filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil //nolint:nilerr // gone or unreadable: its parent's watch tells of what comes
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return fmt.Errorf("watch %s: %w", path, err)
		}
		if rel != "." && w.exclude.match(rel, true) {
			return filepath.SkipDir
		}
		return w.add(path)
	})
}

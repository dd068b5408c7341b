package watch

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// addFiles watches the folders of single files. A watch on a file itself would be lost
// when an editor saves by renaming.
func (w *Watcher) addFiles(pattern string) error {
	paths, err := filepath.Glob(pattern)
	if err != nil {
		return fmt.Errorf("watch %q: %w", pattern, err)
	}
	if len(paths) == 0 {
		paths = []string{pattern} // it may be created later
	}
	for _, p := range paths {
		abs, err := filepath.Abs(p)
		if err != nil {
			return fmt.Errorf("watch %s: %w", p, err)
		}
		if err := w.addFile(abs); err != nil {
			return err
		}
	}
	return nil
}

func (w *Watcher) addFile(path string) error {
	if w.single[path] {
		return nil
	}
	w.single[path] = true
	if _, known := w.seen[path]; !known {
		w.differs(path)
	}
	if err := w.engine.add(filepath.Dir(path)); err != nil {
		return err
	}
	if real, err := filepath.EvalSymlinks(path); err == nil && real != path {
		return w.addFile(real) // the file that a link points to may change where it is
	}
	return nil
}

// addTree watches a folder and everything below it. It returns a file there that is new
// or has changed, or "".
func (w *Watcher) addTree(r *rules, top string) (changed string, err error) {
	err = filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil // gone or unreadable: the parent's watch reports later changes
		case !d.IsDir():
			if r.counts(path) && w.differs(path) && changed == "" {
				changed = path
			}
			return nil
		case path != r.folder && !r.enters(path):
			return filepath.SkipDir
		}
		return w.engine.add(path)
	})
	if err != nil {
		return "", fmt.Errorf("watch %s: %w", top, err)
	}
	return changed, nil
}

// blindOn is the name of a filesystem with watched files on which the kernel may not
// report changes; empty if there is none.
func (w *Watcher) blindOn() string {
	var folders []string
	for _, r := range w.rules {
		folders = append(folders, r.folder)
	}
	for _, file := range w.o.Files {
		folders = append(folders, filepath.Dir(file))
	}
	for _, folder := range folders {
		if _, err := os.Stat(folder); err != nil {
			continue
		}
		if name := blind(folder); name != "" {
			return name
		}
	}
	return ""
}

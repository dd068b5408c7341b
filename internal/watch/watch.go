// Package watch reports changes of files: the relevant files in folders, and single
// files anywhere.
package watch

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// settle is how long nothing must change before a change is reported: saving
	// in an editor causes several events, a checkout thousands.
	settle = 50 * time.Millisecond
	// mostDelay is how long a report is delayed at most while more changes follow.
	mostDelay = 2 * time.Second
)

// The engines: how the watcher learns of changes.
const (
	Auto    = "auto"    // inotify, or polling where inotify is blind
	Inotify = "inotify" // the kernel reports changes
	Poll    = "poll"    // all files are checked twice a second
)

// Options says what to watch.
type Options struct {
	// Folders are watched recursively, including new ones. Files that tools and
	// the app itself write there (neverWatched), and files that a .gitignore
	// names, do not count.
	Folders []string
	Kinds   []string // patterns, as in .gitignore, of the files that count; if empty, all count
	Include []string // patterns of other files that count, even if .gitignore names them
	Exclude []string // patterns of files and folders that never count
	Own     []string // absolute paths that gonicorn writes, which never count
	Files   []string // single files, or globs, which count wherever they are
	Engine  string   // empty is Auto
	Log     *slog.Logger
}

// stamp shows whether a file has changed: touch(1) is a change, chmod(1) and reading are
// not.
type stamp struct{ modified, size int64 }

// event says that a file may have changed; without a name, any file may have. written
// says that it has certainly changed, even if its stamp is the same.
type event struct {
	name    string
	written bool
}

// engine reports that files may have changed.
type engine interface {
	// add watches a folder, but not the folders below it.
	add(folder string) error
	events() <-chan event
	errors() <-chan error
	close() error
}

// Watcher watches files. Close it to free its descriptors.
type Watcher struct {
	o      Options
	engine engine
	rules  []*rules
	follow chan []string
	// The fields below are used only by New, and then only by Run.
	single map[string]bool  // absolute paths of single files
	seen   map[string]stamp // files that count, at the last check
}

// New starts watching. A folder that cannot be read is an error; one that disappears
// later is not. If the kernel cannot report changes, or not for so many folders, files
// are polled, unless Engine is Inotify.
func New(o Options) (*Watcher, error) {
	w := &Watcher{o: o, follow: make(chan []string, 1)}
	for _, folder := range o.Folders {
		abs, err := filepath.Abs(folder)
		if err == nil {
			abs, err = filepath.EvalSymlinks(abs)
		}
		if err == nil {
			_, err = os.ReadDir(abs)
		}
		if err != nil {
			return nil, fmt.Errorf("watch folder: %w", err)
		}
		w.rules = append(w.rules, newRules(abs, o))
	}
	if err := w.choose(); err != nil {
		return nil, err
	}
	return w, nil
}

// choose chooses and starts the engine, and records the state of all files.
func (w *Watcher) choose() error {
	var err error
	blind := ""
	switch w.o.Engine {
	case Poll:
	case Inotify:
		return w.begin(newInotify)
	default:
		if blind = w.blindOn(); blind == "" {
			if err = w.begin(newInotify); err == nil {
				return nil
			}
		}
	}
	switch {
	case blind != "":
		w.o.Log.Info("files are checked twice a second, since the kernel reports no changes there", "filesystem", blind)
	case err != nil:
		w.o.Log.Warn("files are checked twice a second; raise fs.inotify.max_user_watches (sysctl), or exclude folders (reload_exclude)", "error", err)
	}
	return w.begin(newPoll)
}

// begin starts an engine and makes it watch everything.
func (w *Watcher) begin(start func() (engine, error)) error {
	e, err := start()
	if err != nil {
		return err
	}
	w.engine, w.single, w.seen = e, map[string]bool{}, map[string]stamp{}
	for _, pattern := range w.o.Files {
		if err = w.addFiles(pattern); err != nil {
			break
		}
	}
	for _, r := range w.rules {
		if err == nil {
			_, err = w.addTree(r, r.folder)
		}
	}
	if err != nil {
		e.close()
	}
	return err
}

// Close stops watching.
func (w *Watcher) Close() error { return w.engine.close() }

// Follow also watches these single files. If Run has not handled the previous call yet,
// these files replace those.
func (w *Watcher) Follow(files []string) {
	select {
	case <-w.follow:
	default:
	}
	w.follow <- files
}

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
		case files := <-w.follow:
			for _, file := range files {
				if err := w.addFiles(file); err != nil {
					w.o.Log.Warn("watching files", "error", err)
				}
			}
		case e, ok := <-w.engine.events():
			if !ok {
				return
			}
			path := w.look(e)
			if path == "" {
				continue
			}
			if first == "" {
				first, since = path, time.Now()
			}
			timer.Reset(min(settle, max(0, mostDelay-time.Since(since))))
		case <-timer.C:
			path := first
			first = ""
			changed(path)
		case err, ok := <-w.engine.errors():
			if !ok {
				return
			}
			w.o.Log.Warn("watching files", "error", err)
		}
	}
}

// look checks the files that an event may be about, and returns the first path that has
// changed, or "".
func (w *Watcher) look(e event) string {
	name := e.name
	if name == "" {
		return w.lookAtAll()
	}
	if filepath.Base(name) == ".gitignore" {
		for i, r := range w.rules {
			w.rules[i] = newRules(r.folder, w.o)
		}
	}
	if path := w.lookAtSingles(filepath.Dir(name)); path != "" {
		return path
	}
	if e.written && w.single[name] {
		return name
	}
	for _, r := range w.rules {
		if !r.holds(name) {
			continue
		}
		if info, err := os.Lstat(name); err == nil && info.IsDir() {
			path, err := w.addTree(r, name)
			if err != nil {
				w.o.Log.Warn("watching a new folder", "path", name, "error", err)
			}
			return path
		}
		if r.counts(name) && (w.differs(name) || e.written) {
			return name
		}
		return w.vanishedIn(name)
	}
	return ""
}

// lookAtAll checks every file. It is for the engine poll, and for events that inotify
// has lost.
func (w *Watcher) lookAtAll() string {
	var changed []string
	for path := range w.seen {
		if w.differs(path) {
			changed = append(changed, path)
		}
	}
	for path := range w.single {
		if w.differs(path) {
			changed = append(changed, path)
		}
	}
	for i, r := range w.rules {
		w.rules[i] = newRules(r.folder, w.o)
		if path, err := w.addTree(w.rules[i], r.folder); err == nil && path != "" {
			changed = append(changed, path)
		}
	}
	if len(changed) == 0 {
		return ""
	}
	return slices.Min(changed)
}

// lookAtSingles checks the single files of a folder. If one is a link, a change of
// another file beside it may change it too.
func (w *Watcher) lookAtSingles(dir string) string {
	for path := range w.single {
		if filepath.Dir(path) == dir && w.differs(path) {
			return path
		}
	}
	return ""
}

// vanishedIn returns a file that counted and disappeared with its folder, or "".
func (w *Watcher) vanishedIn(folder string) string {
	for path := range w.seen {
		if strings.HasPrefix(path, folder+"/") && w.differs(path) {
			return path
		}
	}
	return ""
}

// differs reports whether a file has changed since the last check.
func (w *Watcher) differs(path string) bool {
	was, known := w.seen[path]
	info, err := os.Stat(path)
	if err != nil || info.IsDir() {
		delete(w.seen, path)
		return known
	}
	is := stamp{info.ModTime().UnixNano(), info.Size()}
	w.seen[path] = is
	return !known || is != was
}

package watch

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/gitignore"
)

// mostOfIgnoreFile bounds how many patterns of one .gitignore are read.
const mostOfIgnoreFile = 10_000

// neverWatched are patterns for what tools and the app itself write. Changes there are
// not changes of the app.
func neverWatched() []string {
	return []string{
		".git/", ".hg/", ".svn/", ".venv/", "venv/", "node_modules/", "site-packages/", "dist-packages/", "__pycache__/",
		".mypy_cache/", ".pytest_cache/", ".ruff_cache/", ".tox/", ".nox/", ".idea/", ".vscode/",
		"*.pyc", "*.sqlite3*", "*.db-journal", "*.db-wal", "*.db-shm", "*.log", "*.pid", "*.sock", "*.swp", "*.swx", "*~", ".#*", "#*#", "4913",
	}
}

// rules decides which files below one folder count.
type rules struct {
	folder  string
	base    string                         // the repository that contains the folder, or the folder
	usual   gitignore.Matcher              // neverWatched
	kinds   gitignore.Matcher              // nil for files of every kind
	asked   gitignore.Matcher              // what the user includes; overrides kinds, usual and .gitignore
	exclude gitignore.Matcher              // what the user excludes; overrides everything
	own     []string                       // absolute paths that gonicorn writes
	ignored map[string][]gitignore.Pattern // by folder: patterns of its .gitignore and of those above it
}

func newRules(folder string, o Options) *rules {
	r := &rules{
		folder: folder, base: repository(folder), usual: matcher(neverWatched()), asked: matcher(o.Include), exclude: matcher(o.Exclude),
		own: o.Own, ignored: map[string][]gitignore.Pattern{},
	}
	if len(o.Kinds) > 0 {
		r.kinds = matcher(o.Kinds)
	}
	return r
}

func matcher(patterns []string) gitignore.Matcher {
	var all []gitignore.Pattern
	for _, p := range patterns {
		if p = strings.TrimSpace(p); p != "" && !strings.HasPrefix(p, "# ") {
			all = append(all, gitignore.ParsePattern(p, nil))
		}
	}
	return gitignore.NewMatcher(all)
}

// repository is the nearest folder, this one or above, that has a .git; else this one.
func repository(folder string) string {
	for dir := folder; ; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return folder
		}
	}
}

// ignoredIn returns the patterns for the files of a folder. Patterns of deeper folders
// come later, and the last match wins.
func (r *rules) ignoredIn(dir string) []gitignore.Pattern {
	if all, known := r.ignored[dir]; known {
		return all
	}
	var all []gitignore.Pattern
	if up := filepath.Dir(dir); dir != r.base && len(up) >= len(r.base) {
		all = slices.Clone(r.ignoredIn(up))
	}
	all = append(all, readIgnoreFile(filepath.Join(dir, ".gitignore"), parts(r.base, dir))...)
	r.ignored[dir] = all
	return all
}

// readIgnoreFile reads the patterns of a .gitignore; none if there is no such file.
func readIgnoreFile(name string, domain []string) (all []gitignore.Pattern) {
	file, err := os.Open(name)
	if err != nil {
		return nil
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() && len(all) < mostOfIgnoreFile {
		line := strings.TrimRight(lines.Text(), "\r")
		if strings.TrimSpace(line) != "" && !strings.HasPrefix(line, "#") {
			all = append(all, gitignore.ParsePattern(line, domain))
		}
	}
	return all
}

// parts are the elements of a path relative to a folder above it.
func parts(folder, path string) []string {
	rel, err := filepath.Rel(folder, path)
	if err != nil || rel == "." {
		return nil
	}
	return strings.Split(filepath.ToSlash(rel), "/")
}

// enters reports whether a folder is watched.
func (r *rules) enters(dir string) bool {
	rel := parts(r.folder, dir)
	if r.usual.Match(rel, true) || r.exclude.Match(rel, true) {
		return false
	}
	return !r.isIgnored(dir, true)
}

// counts reports whether a change of this file counts as a change of the app.
func (r *rules) counts(path string) bool {
	rel := parts(r.folder, path)
	switch {
	case slices.Contains(r.own, path), r.exclude.Match(rel, false):
		return false
	case r.asked.Match(rel, false):
		return true
	case r.kinds != nil && !r.kinds.Match(rel, false), r.usual.Match(rel, false):
		return false
	}
	return !r.isIgnored(path, false)
}

func (r *rules) isIgnored(path string, isDir bool) bool {
	return gitignore.NewMatcher(r.ignoredIn(filepath.Dir(path))).Match(parts(r.base, path), isDir)
}

// holds reports whether a path is below the folder.
func (r *rules) holds(path string) bool {
	return strings.HasPrefix(path, strings.TrimSuffix(r.folder, "/")+"/")
}

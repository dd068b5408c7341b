package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Given is a setting as text, with where it came from: --workers, -w,
// GONICORN_WORKERS.
type Given struct{ Name, Value, Where string }

// Inputs is everything that a config is made of.
type Inputs struct {
	File      string   // the config file, where FileGiven; else -c of Flags or CmdArgs, else gunicorn.toml in Dir
	FileGiven bool     // File was asked for, so that it must be there
	Dir       string   // relative files are in it; empty is the current folder
	Environ   []string // NAME=value
	CmdArgs   []Given  // what GUNICORN_CMD_ARGS says
	Flags     []Given  // what the command line says
	Classes   []string // the names and aliases of worker classes; nil takes any
	// CheckBind says what is wrong with an address; nil takes any.
	CheckBind func(address string) error
	// Python evaluates a gunicorn.conf.py, and returns what it binds of these
	// names; nil where there is no Python.
	Python func(path string, names []string) (Evaluated, error)
}

// Loaded is a config and how it came to be.
type Loaded struct {
	Config   Config
	Origin   map[string]string // by setting: gunicorn.toml:12, --workers, ...; not in it is "default"
	File     string            // the config file that was read, or empty
	Warnings []string          // what has no effect, and likely slips
}

// Load makes a config from, low to high, the defaults, the config file, the
// environment, GUNICORN_CMD_ARGS and the flags, and checks it. In a list, a
// higher one replaces a lower one whole.
//
// Its error is Errors with all mistakes at once.
func Load(in Inputs) (*Loaded, error) {
	l := &loader{in: in, settings: Settings(), origin: map[string]string{}, failed: map[string]bool{}, config: Default()}
	vars := lookups(in.Environ)
	l.layer(defaultsFrom(vars))
	file := l.file(vars)
	given, warnings := environment(vars, l.settings)
	l.layer(given)
	l.layer(in.CmdArgs)
	l.layer(in.Flags)
	l.config.BindGiven = l.origin["bind"] != ""
	l.config.ClassGiven = l.origin["worker_class"] != ""
	l.config.StallWarningGiven = l.origin["stall_warning"] != ""
	l.config.ConfigFile = file
	l.pythonClass()
	l.sslContext()
	c := checker{
		config: &l.config, settings: l.settings, origin: l.origin, failed: l.failed,
		classes: in.Classes, bind: in.CheckBind, dir: in.Dir,
	}
	if errs := append(l.errs, c.run()...); len(errs) > 0 {
		return nil, errs
	}
	return &Loaded{
		Config: l.config, Origin: l.origin, File: file,
		Warnings: append(append(l.warnings, warnings...), c.warnings()...),
	}, nil
}

// loader puts layers of values over one another.
type loader struct {
	in       Inputs
	settings []Setting
	config   Config
	origin   map[string]string
	failed   map[string]bool // settings with a mistake already told
	errs     Errors
	warnings []string
	sslHook  string       // where a gunicorn.conf.py has ssl_context
	class    *PythonClass // that a gunicorn.conf.py has as worker_class
}

func (l *loader) find(name string) (Setting, bool) {
	for _, s := range l.settings {
		if s.Name == name {
			return s, true
		}
	}
	return Setting{}, false
}

func (l *loader) fail(s Setting, where, problem, hint string) {
	l.failed[s.Name] = true
	l.errs = append(l.errs, FieldError{Setting: s.Name, Where: where, Problem: problem, Hint: hint})
}

// layer applies values as text. Within it, values of a list add up.
func (l *loader) layer(given []Given) {
	begun := map[string]bool{}
	for _, g := range given {
		s, found := l.find(g.Name)
		if !found {
			l.errs = append(l.errs, FieldError{Setting: g.Name, Where: g.Where, Problem: "there is no such setting"})
			continue
		}
		if s.Python {
			l.fail(s, g.Where, "is not a command", "it "+inWorkers)
			continue
		}
		value, err := parse(s, g.Value)
		if err != nil {
			l.fail(s, g.Where, err.Error(), s.try(g.Where, s.sample()))
			continue
		}
		if list, is := value.([]string); is && begun[s.Name] {
			value = append(append([]string{}, load(s.field(&l.config)).([]string)...), list...)
		}
		begun[s.Name] = true
		assign(s.field(&l.config), value)
		l.origin[s.Name] = g.Where
	}
}

// file applies the config file, if any, and returns its path.
func (l *loader) file(vars map[string]string) string {
	path, asked, where := l.choose(vars)
	if isPython(path) {
		if err := l.there(path); err != nil {
			problem, hint := fileProblem(path, err)
			l.errs = append(l.errs, FieldError{Setting: "config", Where: where, Problem: problem, Hint: hint})
			return ""
		}
		return l.python(path, where)
	}
	data, err := readFile(l.in.Dir, path)
	if err != nil {
		if !asked && errors.Is(err, fs.ErrNotExist) {
			return l.besides()
		}
		problem, hint := fileProblem(path, err)
		l.errs = append(l.errs, FieldError{Setting: "config", Where: where, Problem: problem, Hint: hint})
		return ""
	}
	entries, errs := parseFile(path, data, func(name string) bool { _, found := l.find(name); return found })
	l.errs = append(l.errs, errs...)
	l.entries(entries)
	return path
}

// there looks for a Python config file before Python is asked for it.
func (l *loader) there(path string) error {
	if strings.HasPrefix(path, "python:") {
		return nil
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(l.in.Dir, path)
	}
	_, err := os.Stat(path)
	return err //nolint:wrapcheck // fileProblem says it in words
}

// choose says which config file it is and whether it must be there.
func (l *loader) choose(vars map[string]string) (path string, asked bool, where string) {
	if l.in.FileGiven {
		return l.in.File, true, "--config"
	}
	for _, given := range [][]Given{l.in.Flags, l.in.CmdArgs} {
		for i := len(given) - 1; i >= 0; i-- {
			if given[i].Name == "config" {
				return strings.TrimPrefix(given[i].Value, "file:"), true, given[i].Where
			}
		}
	}
	if path := vars[prefix+"CONFIG"]; path != "" {
		return path, true, prefix + "CONFIG"
	}
	return DefaultFile, false, ""
}

// besides applies Gunicorn's own config file where it is there and no other is.
func (l *loader) besides() string {
	if info, err := os.Stat(filepath.Join(l.in.Dir, PythonFile)); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	if l.in.Python == nil {
		l.warnings = append(l.warnings, PythonFile+" is not read: Python config files are for the command; write its settings into "+DefaultFile)
		return ""
	}
	return l.python(PythonFile, "")
}

func (l *loader) entries(entries []entry) {
	unknown := 0
	for _, e := range entries {
		s, found := l.find(e.name)
		switch {
		case !found:
			if unknown++; unknown <= maxUnknown {
				l.errs = append(l.errs, l.unknown(e))
			}
			continue
		case s.Flagged:
			l.fail(s, e.where, "cannot be set in a file", "give it on the command line: --"+s.Flag)
			continue
		case s.Python:
			l.fail(s, e.where, "is not a command", "it "+inWorkers)
			continue
		}
		value, err := decode(s, e.value)
		if err != nil {
			l.fail(s, e.where, err.Error(), s.try(e.where, s.sample()))
			continue
		}
		assign(s.field(&l.config), value)
		l.origin[s.Name] = e.where
	}
	if unknown > maxUnknown {
		l.errs = append(l.errs, FieldError{Problem: "further unknown settings are not listed"})
	}
}

func (l *loader) unknown(e entry) FieldError {
	err := FieldError{Setting: quoted(e.name), Where: e.where, Problem: "there is no such setting"}
	candidates := l.settings
	switch e.value.(type) {
	case map[string]any, []map[string]any:
		err.Problem = "there is no such table"
		err.Hint = "settings stand at the top of the file; the only table is [hooks]"
		candidates = slices.DeleteFunc(slices.Clone(l.settings), func(s Setting) bool { return s.Kind != Table && s.Kind != Map })
	default:
		err.Hint = "list all with: gonicorn --print-config"
	}
	if near := nearestName(e.name, candidates); near != "" {
		err.Hint = "did you mean " + near + "?"
	}
	return err
}

// quoted leaves a plain key as it is and quotes any other.
func quoted(key string) string {
	if key != "" && len(key) <= 60 && strings.Trim(strings.ToLower(key), "abcdefghijklmnopqrstuvwxyz0123456789_-") == "" {
		return key
	}
	return quote(key)
}

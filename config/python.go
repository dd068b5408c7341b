package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// PythonFile is Gunicorn's config file. It is read where there is no
// DefaultFile.
const PythonFile = "gunicorn.conf.py"

// Evaluated is what a gunicorn.conf.py binds: see workers/python/confpy.
type Evaluated struct {
	File   string           `json:"file"`
	Source string           `json:"source"` // of the file; empty for a module
	Values map[string]Bound `json:"values"`
	Error  string           `json:"error"`  // why it cannot be evaluated, or empty
	Line   int              `json:"line"`   // of the error; 0 if it is not known
	Unread map[string]int   `json:"unread"` // by name, the line of what is bound, is no setting, and is used nowhere
	Class  *PythonClass     `json:"class"`  // of a worker class that was asked for
}

// Bound is what one name is bound to: a value of JSON's types, or a Python
// object of some kind.
type Bound struct {
	Line  int          `json:"line"`
	Value any          `json:"value"`
	Kind  string       `json:"kind"`  // function, class, ...; empty for a value
	Name  string       `json:"name"`  // of a class
	Class *PythonClass `json:"class"` // likewise
	Arity []int        `json:"arity"` // of a function: positional arguments that it must and may have; empty if it is not known
}

// isPython reports whether a config file is Python.
func isPython(path string) bool {
	return strings.HasSuffix(path, ".py") || strings.HasPrefix(path, "python:")
}

// python applies a Python config file.
func (l *loader) python(path, where string) string {
	if l.in.Python == nil {
		l.errs = append(l.errs, FieldError{Setting: "config", Where: where, Problem: path + ": Python config files are for the command only"})
		return ""
	}
	var names []string
	for _, s := range l.settings {
		names = append(names, s.Name)
	}
	got, err := l.in.Python(path, names)
	if err == nil && got.Error != "" {
		l.errs = append(l.errs, FieldError{Where: at(path, got.Line), Problem: got.Error})
		return ""
	}
	if err != nil {
		l.errs = append(l.errs, FieldError{Setting: "config", Where: where, Problem: path + ": " + err.Error()})
		return ""
	}
	var entries []entry
	var hooks []string
	for _, name := range slices.Sorted(maps.Keys(got.Values)) {
		b := got.Values[name]
		s, _ := l.find(name)
		switch {
		case b.Kind == "function" && s.Section == sectionHooks && s.Note == "" && misfits(name, b.Arity) != "":
			l.fail(s, at(path, b.Line), misfits(name, b.Arity), "Gunicorn's hooks and their arguments: https://gunicorn.org/reference/settings/#server-hooks")
		case b.Kind == "function" && s.Section == sectionHooks && s.Note == "":
			hooks = append(hooks, name)
			l.origin[name] = at(path, b.Line)
		case b.Kind == "function" && name == "ssl_context":
			l.sslHook = at(path, b.Line)
		case b.Kind == "function" && (s.Section == sectionHooks || s.Section == sectionDirty):
			l.warnings = append(l.warnings, fmt.Sprintf("%s: %s is not called: %s", at(path, b.Line), name, s.Note))
		case b.Kind == "class" && s.Kind == String || b.Kind == "class" && s.Kind == Name:
			entries = append(entries, entry{name: name, where: at(path, b.Line), value: b.Name})
			if name == "worker_class" {
				l.class = b.Class
			}
		case b.Kind != "":
			l.fail(s, at(path, b.Line), fmt.Sprintf("is a Python %s, which gonicorn has no use for", b.Kind), s.try(at(path, b.Line), s.sample()))
		case b.Value == nil: // None is the default
		default:
			entries = append(entries, entry{name: name, where: at(path, b.Line), value: fromText(s, fromJSON(b.Value))})
		}
	}
	l.entries(entries)
	l.unread(path, got.Unread)
	l.config.Conf = PythonConf{Path: path, Source: got.Source, Hooks: hooks}
	return path
}

// unread warns of names that may be meant as settings: Gunicorn takes no notice
// of them, nor does gonicorn.
func (l *loader) unread(path string, names map[string]int) {
	known := slices.DeleteFunc(slices.Clone(l.settings), func(s Setting) bool { return s.Section == sectionDirty })
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if near := nearestName(name, known); near != "" {
			l.warnings = append(l.warnings, fmt.Sprintf("%s: %s is not a setting; did you mean %s?", at(path, names[name]), name, near))
		}
	}
}

// misfits says what is wrong with the arguments of a hook, or "".
func misfits(name string, arity []int) string {
	want, fewest := hookArguments()[name], 0
	if fewest = len(want); name == "post_request" {
		fewest = 2 // as in Gunicorn, which took more of them over time
	}
	if len(arity) != 2 || want == nil {
		return ""
	}
	least, most := arity[0], arity[1]
	switch {
	case most < 0:
		return "takes arguments by name only, and is called with " + strings.Join(want, ", ")
	case least > len(want) || most < fewest:
		has := fmt.Sprint(least)
		if most > least && most < 100 {
			has += " to " + fmt.Sprint(most)
		}
		if has += " arguments"; has == "1 arguments" {
			has = "1 argument"
		}
		return fmt.Sprintf("takes %s, and is called with %d: %s", has, len(want), strings.Join(want, ", "))
	}
	return ""
}

// hookArguments are what each hook is called with.
func hookArguments() map[string][]string {
	server, worker, both := []string{"server"}, []string{"worker"}, []string{"server", "worker"}
	return map[string][]string{
		"on_starting": server, "on_reload": server, "when_ready": server, "pre_fork": both, "post_fork": both,
		"post_worker_init": worker, "worker_int": worker, "worker_abort": worker, "pre_exec": server,
		"pre_request": {"worker", "req"}, "post_request": {"worker", "req", "environ", "resp"}, "child_exit": both,
		"worker_exit": both, "nworkers_changed": {"server", "new_value", "old_value"}, "on_exit": server,
	}
}

// fromText takes text for a number or a truth value, as Gunicorn does: it is
// what os.environ has.
func fromText(s Setting, v any) any {
	text, is := v.(string)
	if !is {
		return v
	}
	switch s.Kind {
	case Int:
		if n, err := strconv.ParseInt(strings.TrimSpace(text), 0, 64); err == nil {
			return n
		}
	case Bool:
		switch strings.ToLower(strings.TrimSpace(text)) {
		case "true":
			return true
		case "false":
			return false
		}
	}
	return v
}

// sslContext refuses a gunicorn.conf.py whose ssl_context asks for more than TLS
// here would hold. Who has set the settings in its place is only told.
func (l *loader) sslContext() {
	if l.sslHook == "" {
		return
	}
	instead := false
	for _, name := range []string{"tls_min_version", "ssl_version", "ciphers", "cert_reqs", "crlfile", "keyfile_password"} {
		instead = instead || l.origin[name] != ""
	}
	if instead || len(l.config.Certfile) == 0 {
		l.warnings = append(l.warnings, l.sslHook+": ssl_context is not called: "+sslContextNote)
		return
	}
	l.errs = append(l.errs, FieldError{Setting: "ssl_context", Where: l.sslHook, Problem: "cannot be called: " + sslContextNote,
		Hint: `with one of them set the function may stay for Gunicorn; tls_min_version = "1.2" is what holds without any`})
}

// fromJSON makes a value as the TOML decoder would have made it.
func fromJSON(v any) any {
	switch v := v.(type) {
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int64(v)
		}
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = fromJSON(v[i])
		}
		return list
	case map[string]any:
		m := make(map[string]any, len(v))
		for name, value := range v {
			m[name] = fromJSON(value)
		}
		return m
	}
	return v
}

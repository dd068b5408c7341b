package config

import "strings"

// FieldError is one mistake in one setting.
type FieldError struct {
	Setting string // the name that was given; empty where the mistake is in none
	Where   string // gunicorn.toml:12, --workers, GONICORN_WORKERS; empty for a Config made by a program
	Problem string // goes on after the setting's name
	Hint    string // what to type instead; may be empty
}

// Error writes where, what, why and what to type next, in one line.
func (e FieldError) Error() string {
	var parts []string
	for _, part := range []string{e.Where, e.Setting} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	text := strings.Join(append(parts, e.Problem), ": ")
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

// Errors is every mistake that was found, one line each.
type Errors []FieldError

// Error implements error.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i := range e {
		lines[i] = e[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Code is its code in docs/errors.md.
func (Errors) Code() string { return "GON003" }

// Unwrap gives errors.As each mistake.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i := range e {
		all[i] = e[i]
	}
	return all
}

// orNil makes an empty list a nil error.
func (e Errors) orNil() error {
	if len(e) == 0 {
		return nil
	}
	return e
}

// try says what to type for a setting, in the way of the place that the wrong
// value came from. value is text.
func (s Setting) try(where, value string) string {
	if value == "" {
		return ""
	}
	switch {
	case strings.HasPrefix(where, "-") || strings.Contains(where, " -"):
		if s.Flag != "" {
			return "try --" + s.Flag + "=" + value
		}
	case where == s.Variable() || where == s.Env && where != "":
		return "try " + where + "=" + value
	}
	v, err := parse(s, value)
	if err != nil {
		return ""
	}
	text := format(s.Kind, v)
	if s.Kind == Count && value == "auto" {
		text = `"auto"`
	}
	return "try " + s.Name + " = " + text
}

// sample is a value, as text, that the setting can have.
func (s Setting) sample() string {
	if s.Example != "" {
		return s.Example
	}
	return s.Default
}

package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Validate checks a config made by a program. classes are the names and
// aliases of the worker classes; nil takes any. Its error is Errors with all
// mistakes at once.
func (c *Config) Validate(classes []string) error {
	check := checker{config: c, settings: Settings(), classes: classes}
	return check.run().orNil()
}

// Warnings says which settings have a value that has no effect.
func (c *Config) Warnings() []string {
	check := checker{config: c, settings: Settings()}
	return check.warnings()
}

// checker looks for mistakes in a config.
type checker struct {
	config   *Config
	settings []Setting
	origin   map[string]string // where values came from
	failed   map[string]bool   // not looked at again
	classes  []string
	bind     func(string) error
	dir      string
	errs     Errors
}

func (k *checker) run() Errors {
	for _, s := range k.settings {
		if k.failed[s.Name] {
			continue
		}
		if problem := s.check(load(s.field(k.config))); problem != "" {
			k.fail(s.Name, problem, s.try(k.origin[s.Name], s.sample()))
		}
	}
	k.addresses()
	k.admin()
	k.monitoring()
	k.class()
	k.headers()
	k.places()
	k.together()
	return k.errs
}

// fail adds a mistake, the first of each setting.
func (k *checker) fail(name, problem, hint string) {
	if k.failed[name] {
		return
	}
	if k.failed == nil {
		k.failed = map[string]bool{}
	}
	k.failed[name] = true
	k.errs = append(k.errs, FieldError{Setting: name, Where: k.origin[name], Problem: problem, Hint: hint})
}

// try is what to type for a setting, by its name.
func (k *checker) try(name, value string) string {
	for _, s := range k.settings {
		if s.Name == name {
			return s.try(k.origin[name], value)
		}
	}
	return ""
}

// check says what is wrong with a value on its own, or "".
func (s Setting) check(v any) string {
	switch v := v.(type) {
	case int:
		return s.checkNumber(int64(v))
	case int64:
		return s.checkNumber(v)
	case time.Duration:
		if v < 0 {
			return "must not be negative, but is " + v.String()
		}
	case string:
		switch {
		case s.Filled && v == "":
			return "must not be empty"
		case len(s.Choices) > 0 && !s.hasChoice(v):
			return fmt.Sprintf("%s is not one of %s", quote(v), strings.Join(filled(s.Choices), ", "))
		}
	}
	return ""
}

func (s Setting) checkNumber(n int64) string {
	show := func(n int64) string { return fmt.Sprint(n) }
	if s.Kind == Mode {
		show = func(n int64) string { return fmt.Sprintf("0o%o", n) }
	}
	switch {
	case n < s.Min && s.Min == 0:
		return "must not be negative, but is " + show(n)
	case n < s.Min:
		return "must be at least " + show(s.Min) + ", but is " + show(n)
	case s.Max > 0 && n > s.Max:
		return "must be at most " + show(s.Max) + ", but is " + show(n)
	}
	return ""
}

func (s Setting) hasChoice(v string) bool { return slices.Contains(s.Choices, v) }

// filled leaves the empty choice out, which means that the setting is not set.
func filled(choices []string) []string {
	return slices.DeleteFunc(slices.Clone(choices), func(c string) bool { return c == "" })
}

// warnings tells of settings that have a value and no effect.
func (k *checker) warnings() []string {
	var warnings []string
	base := Default()
	for _, s := range k.settings {
		if s.Note == "" || s.Value(k.config) == s.Value(&base) {
			continue
		}
		where := k.origin[s.Name]
		if where != "" {
			where += ": "
		}
		warnings = append(warnings, where+s.Name+" has no effect: "+s.Note)
	}
	c := k.config
	if c.Transport == "none" && c.BindGiven {
		warnings = append(warnings, "bind has no effect: transport is none")
	}
	if c.Daemon && c.Errorlog == "-" {
		warnings = append(warnings, "a daemon's log goes nowhere; name a file with --error-logfile")
	}
	return warnings
}

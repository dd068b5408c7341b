package config

import (
	"slices"
	"strings"
)

// Kind is what a setting's value is and how it is written.
type Kind int

// The kinds, with the Go type that holds each in Config.
const (
	Bool     Kind = iota // bool
	Int                  // int
	Count                // int: a number, or auto for 2 × cores + 1
	Duration             // time.Duration: seconds, or Go's 1m30s
	Size                 // int64: bytes, or 512MiB
	Mode                 // int: octal, as umask takes it
	String               // string
	Name                 // string: also written as a number, as uids are
	Choice               // string: one of Choices
	List                 // []string
	Map                  // map[string]string
	Table                // map[string]any
)

// String says in words what a value of the kind is.
func (k Kind) String() string {
	return [...]string{
		"true or false", "a whole number", `a whole number or "auto"`, `a time: seconds or "1m30s"`,
		`a size: bytes or "512MiB"`, `an octal mode such as 0o22`, "a string", "a name or a number",
		"one of several words", "a list of strings", "a table of strings", "a table",
	}[k]
}

// Section groups settings in the documents.
type Section string

// Effect says when HUP applies a changed setting.
type Effect string

// The effects of HUP.
const (
	NewWorkers Effect = "the new workers have it"
	AtOnce     Effect = "at once"
	NewGateway Effect = "a new gateway has it; the old one drains"
	AtRestart  Effect = "not before a restart"
	NoEffect   Effect = "has no meaning then"
)

// Setting is one row of the table: all that there is to know of one setting.
type Setting struct {
	Name    string   // in gunicorn.toml; GONICORN_<NAME> in the environment
	Flag    string   // the long flag without its dashes; empty for none
	Short   string   // the one-letter flag, without its dash
	Aliases []string // other long flags
	Negated string   // a long flag without a value that means false; of what is on or off by default no- and the flag
	Bare    string   // what the flag means without a value; empty where it needs one
	Env     string   // another variable that sets it, as in Gunicorn

	Kind    Kind
	Section Section
	Help    string // whole sentences
	Default string // as text

	Choices []string
	Yes, No string // what true and false stand for, of a Choice
	Min     int64  // of a number, in the kind's smallest unit
	Max     int64  // likewise; 0 is no limit
	Filled  bool   // it may not be empty
	Split   bool   // text is a list at its commas; otherwise one text is one item
	Flagged bool   // only a flag can set it, neither file nor environment
	Secret  bool   // its value is shown to nobody
	Python  bool   // a hook that only a Python function can be
	Example string // a value for error messages, where the default does not do

	Reload  Effect
	Differs string // from Gunicorn; empty where it does not, or has none such
	Own     bool   // Gunicorn has no such setting
	Note    string // why a value has no effect; empty for one that is acted on

	field func(*Config) any // points to the field that holds it
}

// Variable is the environment variable that sets it.
func (s Setting) Variable() string {
	if s.Flagged {
		return ""
	}
	return "GONICORN_" + strings.ToUpper(s.Name)
}

// Settings is the table of all settings, in the order of the documents. The
// caller may change what it gets.
func Settings() []Setting {
	var all []Setting
	for _, section := range [][]Setting{
		socketSettings(), workerSettings(), elasticSettings(), rolloutSettings(), resourceSettings(),
		mechanicsSettings(), debugSettings(), logSettings(), monitoringSettings(), gatewaySettings(),
		forwardingSettings(), strictSettings(), tlsSettings(), http2Settings(), pythonSettings(),
		controlSettings(), hookSettings(), dirtySettings(),
	} {
		all = append(all, section...)
	}
	for i := range all {
		s := &all[i]
		switch {
		case s.Bare != "":
		case s.Kind == Bool:
			s.Bare = "true"
		default:
			s.Bare = s.Yes
		}
		if s.Negated == "" && s.negatable() {
			s.Negated = "no-" + s.Flag
		}
	}
	return all
}

// negatable reports whether the setting gets a flag that switches it off. One
// whose flag is a no already, or that is an order and no setting, has none.
func (s Setting) negatable() bool {
	return s.Flag != "" && !s.Flagged && (s.Kind == Bool || s.Yes != "") &&
		!strings.HasPrefix(s.Flag, "no-") && !strings.HasPrefix(s.Flag, "disable-")
}

// Accepts reports whether a word behind a flag that needs no value is its value
// and not the app.
func (s Setting) Accepts(word string) bool {
	_, err := parseBool(word)
	return slices.Contains(s.Choices, word) || s.Yes != "" && word != "" && err == nil
}

// Default returns every setting at its default.
func Default() Config {
	var c Config
	for _, s := range Settings() {
		v, err := parse(s, s.Default)
		if err != nil {
			panic("config: default of " + s.Name + ": " + err.Error()) // a test goes through all
		}
		assign(s.field(&c), v)
	}
	return c
}

// Value returns the setting's value in c, written as TOML.
func (s Setting) Value(c *Config) string { return format(s.Kind, load(s.field(c))) }

// hidden reports whether c holds a secret there.
func (s Setting) hidden(c *Config) bool { return s.Secret && load(s.field(c)) != "" }

// section puts settings under one heading.
func section(name Section, settings ...Setting) []Setting {
	for i := range settings {
		settings[i].Section = name
	}
	return settings
}

// pending marks settings that are accepted and not acted on yet.
func pending(why string, settings []Setting) []Setting {
	for i := range settings {
		if settings[i].Note == "" {
			settings[i].Note = why
		}
	}
	return settings
}

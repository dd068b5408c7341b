package config

import (
	"reflect"
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

// Effect says what of a running gonicorn a reload exchanges to apply a changed
// setting. AtRestart, the zero Effect, is nothing.
type Effect uint8

// The effects of a reload.
const (
	AtOnce     Effect = 1 << iota // what goes on running is told when the reload is committed
	NewWorkers                    // as with every reload
	NewGateway
	NoEffect // it has no meaning then

	AtRestart Effect = 0
)

// String says so in the documents.
func (e Effect) String() string {
	if e == AtRestart {
		return "not before a restart"
	}
	var said []string
	for _, one := range []struct {
		effect Effect
		text   string
	}{
		{AtOnce, "at once"}, {NewWorkers, "the new workers have it"}, {NewGateway, "a new gateway has it, and the old one drains"},
		{NoEffect, "has no meaning then"},
	} {
		if e&one.effect != 0 {
			said = append(said, one.text)
		}
	}
	return strings.Join(said, "; ")
}

// Setting is one row of the table: all that there is to know of one setting.
type Setting struct {
	Name    string   // in gunicorn.toml; GONICORN_<NAME> in the environment
	Flag    string   // the long flag without its dashes; that of the name unless the row has another
	NoFlag  bool     // there is none
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

	Reload  Effect // from effects.go, which is made of the code that reads the setting
	Differs string // from Gunicorn; empty where it does not, or has none such
	Own     bool   // Gunicorn has no such setting
	Note    string // why a value has no effect; empty for one that is acted on

	index []int // of the field that holds it
}

// field points to the field of a Config that holds the setting.
func (s Setting) field(c *Config) any {
	return reflect.ValueOf(c).Elem().FieldByIndex(s.index).Addr().Interface()
}

// Field is the name of the field of Config that holds the setting.
func (s Setting) Field() string {
	if len(s.index) == 0 {
		return ""
	}
	return reflect.TypeFor[Config]().FieldByIndex(s.index).Name
}

// fields are the fields of Config, by the names of their settings.
func fields() map[string][]int {
	all := map[string][]int{}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Config]()) {
		name := f.Tag.Get("setting")
		if name == "" {
			name = f.Name
		}
		all[spelled(name)] = f.Index
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Hooks]()) {
		hooks, _ := reflect.TypeFor[Config]().FieldByName("Hooks")
		all[spelled(f.Name)] = append(slices.Clone(hooks.Index), f.Index...)
	}
	return all
}

// spelled is a name in which a setting and its field are alike: http2_max_frame_size
// is HTTP2MaxFrameSize.
func spelled(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "")) }

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
	fields, effects := fields(), effects()
	for i := range all {
		s := &all[i]
		s.index = fields[spelled(s.Name)]
		if s.Flag == "" && !s.NoFlag {
			s.Flag = strings.ReplaceAll(s.Name, "_", "-")
		}
		if s.Reload = effects[s.Name]; s.Note != "" || s.Flagged {
			s.Reload = NoEffect
		}
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

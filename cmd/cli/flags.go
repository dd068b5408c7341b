package cli

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gonicorn/gonicorn/config"
)

// envCmdArgs is the variable that holds further flags, as in Gunicorn.
const envCmdArgs = "GUNICORN_CMD_ARGS"

// parsed is a command line that is split into its parts but not yet checked.
type parsed struct {
	given         []config.Given // flags that are settings, in their order
	positionals   []string       // the app or a subcommand, and what follows it
	command       []string       // what follows "--"; nil without it
	configFile    string         // -c; the last one counts
	help, version bool
}

// flagError is a flag that cannot be understood. It ends gonicorn with
// errcode.ExitUsage.
type flagError struct {
	flag    string // as it was typed
	problem string
	hint    string // what to type instead
}

func (e *flagError) Error() string {
	text := e.flag + ": " + e.problem
	if e.hint != "" {
		text += "; " + e.hint
	}
	return text
}

// Code is its code in docs/errors.md.
func (*flagError) Code() string { return "GON001" }

// parseArgs splits a command line, without the program's name, into its parts.
// Flags may stand before and after the app, as in Gunicorn. The error joins a
// *flagError for each mistake.
func parseArgs(args []string, settings []config.Setting) (parsed, error) {
	p := argsParser{settings: settings, rest: args}
	for len(p.rest) > 0 && p.out.command == nil {
		p.next()
	}
	return p.out, errors.Join(p.errs...)
}

// parseCmdArgs does the same for GUNICORN_CMD_ARGS, which has only flags.
func parseCmdArgs(text string, settings []config.Setting) ([]config.Given, error) {
	words, err := splitWords(text)
	if err != nil {
		return nil, &flagError{envCmdArgs, err.Error(), "close the quote"}
	}
	p, err := parseArgs(words, settings)
	if err != nil {
		return nil, &flagError{envCmdArgs, err.Error(), ""}
	}
	if extra := append(p.positionals, p.command...); len(extra) > 0 || p.command != nil {
		return nil, &flagError{envCmdArgs, "holds " + strings.Join(extra, " ") + ", which is not a flag",
			"name the app on the command line"}
	}
	for i := range p.given {
		p.given[i].Where = envCmdArgs + " " + p.given[i].Where
	}
	return p.given, nil
}

// argsParser reads a command line from the front.
type argsParser struct {
	settings []config.Setting
	rest     []string
	out      parsed
	errs     []error

	host, port string // of uvicorn's flags
}

func (p *argsParser) next() {
	arg := p.rest[0]
	p.rest = p.rest[1:]
	switch {
	case arg == "--":
		p.out.command = append([]string{}, p.rest...)
	case strings.HasPrefix(arg, "--"):
		name, value, has := strings.Cut(arg[2:], "=")
		p.longFlag(name, value, has)
	case len(arg) > 1 && arg[0] == '-':
		p.shortFlag(arg[1:])
	default:
		p.out.positionals = append(p.out.positionals, arg)
	}
}

func (p *argsParser) fail(flag, problem, hint string) {
	p.errs = append(p.errs, &flagError{flag, problem, hint})
}

func (p *argsParser) longFlag(name, value string, has bool) {
	flag := "--" + name
	switch name {
	case "help":
		p.out.help = true
		return
	case "version":
		p.out.version = true
		return
	}
	for _, s := range p.settings {
		switch {
		case name != "" && s.Negated == name:
			if has {
				p.fail(flag, "takes no value", "try "+flag)
				return
			}
			p.give(s, flag, "false")
			return
		case name != "" && (s.Flag == name || slices.Contains(s.Aliases, name)):
			p.setting(s, flag, value, has)
			return
		}
	}
	if !p.foreign(name, value, has) {
		p.fail(flag, "there is no such flag", p.suggest(name))
	}
}

// shortFlag reads -w4, -w=4, -w 4, and several flags without values together:
// -DR. A long flag after one dash is an error, although -w could take the rest as
// its value.
func (p *argsParser) shortFlag(letters string) {
	long, _, _ := strings.Cut(letters, "=")
	if len(long) > 1 && slices.Contains(p.flags(), long) {
		p.fail("-"+long, "there is no such flag", "did you mean --"+long+"?")
		return
	}
	_, size := utf8.DecodeRuneInString(letters)
	letter, rest := letters[:size], letters[size:]
	switch {
	case letters == "h":
		p.out.help = true
		return
	case letters == "v":
		p.out.version = true
		return
	}
	for _, s := range p.settings {
		if s.Short == letter {
			p.shortSetting(s, rest)
			return
		}
	}
	hint := "list all flags with --help"
	if near := p.nearest(long); near != "" && len(long) > 1 {
		hint = "did you mean --" + near + "?"
	}
	p.fail("-"+letters, "there is no such flag", hint)
}

func (p *argsParser) shortSetting(s config.Setting, rest string) {
	flag := "-" + s.Short
	value, has := strings.CutPrefix(rest, "=")
	switch {
	case has || s.Bare == "" && rest != "":
		p.setting(s, flag, value, true)
	case rest == "":
		p.setting(s, flag, "", false)
	default:
		p.setting(s, flag, s.Bare, true)
		p.shortFlag(rest)
	}
}

// setting reads the value of a setting's flag. It takes the next argument if the
// flag has no value of its own.
func (p *argsParser) setting(s config.Setting, flag, value string, has bool) {
	switch {
	case has:
	case s.Bare != "" && len(p.rest) > 0 && s.Accepts(p.rest[0]):
		value, p.rest = p.rest[0], p.rest[1:]
	case s.Bare != "":
		value = s.Bare
	case len(p.rest) == 0 || looksLikeFlag(p.rest[0]):
		example := s.Example
		if example == "" {
			example = s.Default
		}
		hint := ""
		if example != "" {
			hint = "try " + flag + " " + example
		}
		p.fail(flag, "needs a value", hint)
		return
	default:
		value, p.rest = p.rest[0], p.rest[1:]
	}
	p.give(s, flag, value)
}

func (p *argsParser) give(s config.Setting, flag, value string) {
	if s.Name == "config" {
		p.out.configFile = value
	}
	p.out.given = append(p.out.given, config.Given{Name: s.Name, Value: value, Where: flag})
}

// looksLikeFlag tells a flag from a value. A single - and negative numbers are
// values.
func looksLikeFlag(arg string) bool {
	return len(arg) > 1 && arg[0] == '-' && (arg[1] < '0' || arg[1] > '9')
}

// suggest says what to type instead of an unknown long flag.
func (p *argsParser) suggest(name string) string {
	key := strings.ReplaceAll(name, "-", "_")
	for _, s := range p.settings {
		if s.Name != key {
			continue
		}
		if s.Flag == "" {
			return "it has no flag: set " + s.Name + " in " + config.DefaultFile
		}
		return "did you mean --" + s.Flag + "?"
	}
	if near := p.nearest(name); near != "" {
		return "did you mean --" + near + "?"
	}
	return "list all flags with --help"
}

func (p *argsParser) nearest(name string) string { return config.Nearest(name, p.flags()) }

// flags lists all long flags.
func (p *argsParser) flags() []string {
	all := []string{"help", "version"}
	for _, s := range p.settings {
		for _, flag := range append([]string{s.Flag, s.Negated}, s.Aliases...) {
			if flag != "" {
				all = append(all, flag)
			}
		}
	}
	return all
}

package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/gonicorn/gonicorn/config"
	ucli "github.com/urfave/cli/v2"
)

// completable is what a shell can complete after gonicorn.
type completable struct {
	commands []completableCommand
	settings []config.Setting // those that have a flag
	values   map[string][]string
}

// completableCommand is one command. A command that takes an app also takes the
// flags of settings.
type completableCommand struct {
	name, usage string
	args        []string // words that can be its first argument
	flags       []string // its own, with dashes
	app         bool
}

func (l *commandLine) completable() completable {
	commands, settings := l.words()
	c := completable{settings: settings, values: map[string][]string{"worker_class": l.o.classNames()}}
	args := map[string][]string{"init": starterKinds(), "completion": {"bash", "fish", "zsh"}}
	for _, command := range commands {
		one := completableCommand{name: command.Name, usage: command.Usage, args: args[command.Name], app: command.SkipFlagParsing}
		for _, f := range command.Flags {
			for _, name := range f.Names() {
				if len(name) > 1 {
					one.flags = append(one.flags, "--"+name)
				}
			}
		}
		c.commands = append(c.commands, one)
	}
	for _, s := range settings {
		if len(s.Choices) > 0 {
			c.values[s.Name] = slices.DeleteFunc(slices.Clone(s.Choices), func(v string) bool { return v == "" })
		}
	}
	return c
}

// names returns the commands' names.
func (c completable) names() []string {
	var all []string
	for _, one := range c.commands {
		all = append(all, one.name)
	}
	return all
}

// options returns the flags of settings, with their dashes.
func (c completable) options() []string {
	var all []string
	for _, s := range c.settings {
		all = append(all, "--"+s.Flag)
	}
	slices.Sort(all)
	return all
}

// flagsOf returns all ways to write a setting's flag.
func flagsOf(s config.Setting) []string {
	all := []string{"--" + s.Flag}
	for _, alias := range s.Aliases {
		all = append(all, "--"+alias)
	}
	if s.Short != "" {
		all = append(all, "-"+s.Short)
	}
	return all
}

// completion writes a script for a shell.
func (l *commandLine) completion(c *ucli.Context) error {
	all := l.completable()
	switch shell := c.Args().First(); shell {
	case "bash":
		all.bash(l.stdout)
	case "zsh":
		all.zsh(l.stdout)
	case "fish":
		all.fish(l.stdout)
	default:
		return &usageError{fmt.Sprintf("completion: %q is none of bash, zsh, fish; type, for example: gonicorn completion bash", shell)}
	}
	return nil
}

func (c completable) bash(w io.Writer) {
	fmt.Fprint(w, "_gonicorn() {\n    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words= files=yes\n    case $prev in\n")
	for _, s := range c.settings {
		if values := c.values[s.Name]; len(values) > 0 {
			fmt.Fprintf(w, "        %s) COMPREPLY=($(compgen -W \"%s\" -- \"$cur\")); return ;;\n",
				strings.Join(flagsOf(s), "|"), strings.Join(values, " "))
		}
	}
	fmt.Fprintf(w, "    esac\n    local flags=\"%s\"\n    if [[ $COMP_CWORD == 1 ]]; then\n        words=\"%s\"\n    else\n        case ${COMP_WORDS[1]} in\n",
		strings.Join(c.options(), " "), strings.Join(c.names(), " "))
	for _, one := range c.commands {
		words, files := one.args, "no"
		if one.app {
			files = "yes"
		} else {
			fmt.Fprintf(w, "            %s) flags=\"%s\"; files=no\n", one.name, strings.Join(one.flags, " "))
		}
		if one.app {
			fmt.Fprintf(w, "            %s)\n", one.name)
		}
		if len(words) > 0 {
			fmt.Fprintf(w, "                if [[ $COMP_CWORD == 2 ]]; then words=\"%s\"; files=no; else files=%s; fi\n", strings.Join(words, " "), files)
		}
		fmt.Fprint(w, "                ;;\n")
	}
	fmt.Fprint(w, `        esac
    fi
    if [[ $cur == -* ]]; then
        COMPREPLY=($(compgen -W "$flags" -- "$cur"))
        return
    fi
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
    if [[ $files == yes ]]; then
        COMPREPLY+=($(compgen -f -- "$cur"))
    fi
}
complete -F _gonicorn gonicorn
`)
}

func (c completable) zsh(w io.Writer) {
	fmt.Fprint(w, "#compdef gonicorn\n_gonicorn_app() {\n    _arguments \\\n")
	for _, s := range c.settings {
		value := ""
		if values := c.values[s.Name]; len(values) > 0 {
			value = fmt.Sprintf(":%s:(%s)", s.Name, strings.Join(values, " "))
		} else if s.Bare == "" {
			value = ":" + s.Name + ":"
		}
		for _, flag := range flagsOf(s) {
			fmt.Fprintf(w, "        '%s[%s]%s' \\\n", flag, quoteZsh(s.Help), value)
		}
	}
	fmt.Fprint(w, "        '*: :_files'\n}\n_gonicorn() {\n    if (( CURRENT == 2 )); then\n        local -a commands=(\n")
	for _, one := range c.commands {
		fmt.Fprintf(w, "            '%s:%s'\n", one.name, quoteZsh(one.usage))
	}
	fmt.Fprint(w, "        )\n        _describe command commands\n        _gonicorn_app\n        return\n    fi\n    case ${words[2]} in\n")
	for _, one := range c.commands {
		switch {
		case len(one.args) > 0 && one.app:
			fmt.Fprintf(w, "        %s) if (( CURRENT == 3 )); then compadd %s; else _gonicorn_app; fi ;;\n", one.name, strings.Join(one.args, " "))
		case len(one.args) > 0:
			fmt.Fprintf(w, "        %s) compadd %s ;;\n", one.name, strings.Join(one.args, " "))
		case !one.app:
			fmt.Fprintf(w, "        %s) compadd -- %s ;;\n", one.name, strings.Join(one.flags, " "))
		}
	}
	fmt.Fprint(w, "        *) _gonicorn_app ;;\n    esac\n}\n_gonicorn \"$@\"\n")
}

func (c completable) fish(w io.Writer) {
	var own []string // commands that do not take the settings' flags
	for _, one := range c.commands {
		fmt.Fprintf(w, "complete -c gonicorn -n __fish_use_subcommand -a %s -d %q\n", one.name, one.usage)
		seen := fmt.Sprintf("'__fish_seen_subcommand_from %s'", one.name)
		if len(one.args) > 0 {
			fmt.Fprintf(w, "complete -c gonicorn -f -n %s -a %q\n", seen, strings.Join(one.args, " "))
		}
		for _, flag := range one.flags {
			fmt.Fprintf(w, "complete -c gonicorn -f -n %s -l %s\n", seen, strings.TrimLeft(flag, "-"))
		}
		if !one.app {
			own = append(own, one.name)
		}
	}
	for _, s := range c.settings {
		help, _, _ := strings.Cut(s.Help, ". ")
		fmt.Fprintf(w, "complete -c gonicorn -n 'not __fish_seen_subcommand_from %s' -l %s", strings.Join(own, " "), s.Flag)
		if s.Short != "" {
			fmt.Fprintf(w, " -s %s", s.Short)
		}
		if values := c.values[s.Name]; len(values) > 0 {
			fmt.Fprintf(w, " -x -a %q", strings.Join(values, " "))
		}
		fmt.Fprintf(w, " -d %q\n", help)
	}
}

// quoteZsh escapes a text for use between brackets and single quotes.
func quoteZsh(text string) string {
	text, _, _ = strings.Cut(text, ". ")
	return strings.NewReplacer("'", "'\\''", "[", "\\[", "]", "\\]", ":", "\\:").Replace(text)
}

package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gonicorn/gonicorn/config"
	ucli "github.com/urfave/cli/v2"
)

// words are what can stand behind gonicorn: commands and flags.
func (l *commandLine) words() (commands []*ucli.Command, flags []config.Setting) {
	for _, s := range l.settings {
		if s.Flag != "" {
			flags = append(flags, s)
		}
	}
	return l.commands(), flags
}

// completion writes a script for a shell.
func (l *commandLine) completion(c *ucli.Context) error {
	commands, flags := l.words()
	var names, options []string
	for _, command := range commands {
		names = append(names, command.Name)
	}
	for _, s := range flags {
		options = append(options, "--"+s.Flag)
	}
	slices.Sort(options)
	switch shell := c.Args().First(); shell {
	case "bash":
		fmt.Fprintf(l.stdout, bashScript, strings.Join(names, " "), strings.Join(options, " "))
	case "zsh":
		fmt.Fprint(l.stdout, "#compdef gonicorn\n_arguments \\\n")
		for _, s := range flags {
			fmt.Fprintf(l.stdout, "  '--%s[%s]' \\\n", s.Flag, quoteZsh(s.Help))
		}
		fmt.Fprintf(l.stdout, "  '1: :(%s)' '*: :_files'\n", strings.Join(names, " "))
	case "fish":
		for _, command := range commands {
			fmt.Fprintf(l.stdout, "complete -c gonicorn -n __fish_use_subcommand -a %s -d %q\n", command.Name, command.Usage)
		}
		for _, s := range flags {
			help, _, _ := strings.Cut(s.Help, ". ")
			fmt.Fprintf(l.stdout, "complete -c gonicorn -l %s -d %q\n", s.Flag, help)
		}
	default:
		return &usageError{fmt.Sprintf("completion: %q is none of bash, zsh, fish; type, for example: gonicorn completion bash", shell)}
	}
	return nil
}

const bashScript = `_gonicorn() {
    local cur=${COMP_WORDS[COMP_CWORD]}
    if [[ $cur == -* ]]; then
        COMPREPLY=($(compgen -W "%[2]s" -- "$cur"))
    elif [[ $COMP_CWORD == 1 ]]; then
        COMPREPLY=($(compgen -W "%[1]s" -- "$cur") $(compgen -f -- "$cur"))
    else
        COMPREPLY=($(compgen -f -- "$cur"))
    fi
}
complete -F _gonicorn gonicorn
`

// quoteZsh keeps a text whole between brackets and single quotes.
func quoteZsh(text string) string {
	text, _, _ = strings.Cut(text, ". ")
	return strings.NewReplacer("'", "'\\''", "[", "\\[", "]", "\\]", ":", "\\:").Replace(text)
}

// man writes the manual page, in the language of man(7).
func (l *commandLine) man(*ucli.Context) error {
	commands, flags := l.words()
	w := l.stdout
	roff := strings.NewReplacer("\\", "\\e", "-", "\\-", "\n.", "\n\\&.").Replace
	fmt.Fprintf(w, ".TH GONICORN 1 \"\" \"gonicorn %s\"\n.SH NAME\ngonicorn \\- run an app in any language with workers that are kept alive\n", Version())
	fmt.Fprint(w, ".SH SYNOPSIS\n.B gonicorn\nMODULE:APP [flags]\n.br\n.B gonicorn\n[flags] \\-\\- COMMAND [ARG...]\n.br\n.B gonicorn\nCOMMAND\n")
	fmt.Fprint(w, ".SH COMMANDS\n")
	for _, c := range commands {
		fmt.Fprintf(w, ".TP\n.B %s %s\n%s.\n", roff(c.Name), roff(c.ArgsUsage), roff(c.Usage))
	}
	fmt.Fprint(w, ".SH FLAGS\n")
	for _, s := range flags {
		name := "--" + s.Flag
		if s.Short != "" {
			name = "-" + s.Short + ", " + name
		}
		fmt.Fprintf(w, ".TP\n.B %s\n%s\n", roff(name), roff(s.Help))
		if s.Default != "" {
			fmt.Fprintf(w, "Default: %s.\n", roff(s.Default))
		}
	}
	fmt.Fprint(w, ".SH SIGNALS\nTERM stops, INT and QUIT stop at once, HUP reloads, TTIN and TTOU add and remove a worker, USR1 opens the logs anew,\n"+
		"USR2 starts the binary that is there now, WINCH lets the workers go.\n"+
		".SH EXIT STATUS\n0 stopped as asked, 1 bad config or address in use, 2 bad flag, 3 workers failed to boot, 4 app not found.\n")
	return nil
}

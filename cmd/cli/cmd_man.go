package cli

import (
	"fmt"
	"strings"

	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/internal/version"
	ucli "github.com/urfave/cli/v2"
)

// words returns the commands and flags that can follow gonicorn.
func (l *commandLine) words() (commands []*ucli.Command, flags []config.Setting) {
	for _, s := range l.settings {
		if s.Flag != "" {
			flags = append(flags, s)
		}
	}
	return l.commands(), flags
}

// man writes the manual page, in the language of man(7).
func (l *commandLine) man(*ucli.Context) error {
	commands, flags := l.words()
	w := l.stdout
	roff := strings.NewReplacer("\\", "\\e", "-", "\\-", "\n.", "\n\\&.").Replace
	fmt.Fprintf(w, ".TH GONICORN 1 \"\" \"gonicorn %s\"\n.SH NAME\ngonicorn \\- run an app in any language with workers that are kept alive\n", version.Release)
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
	fmt.Fprint(w, ".SH SIGNALS\nTERM stops, INT and QUIT stop at once, HUP reloads, TTIN and TTOU add and remove a worker, USR1 opens the logs again,\n"+
		"USR2 starts the binary that is there now, WINCH lets the workers go.\n"+
		".SH EXIT STATUS\n0 stopped as asked, 1 bad config or address in use, 2 bad flag, 3 workers failed to boot, 4 app not found.\n")
	return nil
}

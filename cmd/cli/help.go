package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/gonicorn/gonicorn/config"
	ucli "github.com/urfave/cli/v2"
)

// cliFlags returns the settings' flags by section, in the form of urfave/cli.
func cliFlags(settings []config.Setting) map[config.Section][]ucli.Flag {
	flags := map[config.Section][]ucli.Flag{}
	for _, s := range settings {
		if s.Flag == "" {
			continue
		}
		flags[s.Section] = append(flags[s.Section], cliFlag(s))
	}
	return flags
}

func cliFlag(s config.Setting) ucli.Flag {
	aliases := slices.Clone(s.Aliases)
	if s.Short != "" {
		aliases = append(aliases, s.Short)
	}
	usage, _, _ := strings.Cut(s.Help, ". ")
	usage = strings.TrimSuffix(usage, ".")
	if len(s.Choices) > 0 {
		usage += ": " + strings.TrimPrefix(strings.Join(s.Choices, ", "), ", ")
	}
	if s.Kind == config.Choice && s.Bare != "" {
		usage += "; alone: " + s.Bare
	}
	if s.Kind == config.Count {
		usage += ", or auto"
	}
	if s.Negated != "" && s.Default != "false" && s.Default != s.No { // it is on by default, so say how to switch it off
		usage += " (off: --" + s.Negated + ")"
	}
	if s.Kind == config.Bool {
		return &ucli.BoolFlag{
			Name: s.Flag, Aliases: aliases, Usage: usage, Category: string(s.Section),
			Value: s.Default == "true", DisableDefaultText: s.Default != "true",
		}
	}
	return &ucli.StringFlag{
		Name: s.Flag, Aliases: aliases, Usage: usage, Category: string(s.Section), DefaultText: s.Default,
	}
}

const usageText = `gonicorn runs an app in any language with workers that are kept alive.

Usage:
  gonicorn MODULE:APP [flags]            run a Python app, WSGI or ASGI
  gonicorn [flags] -- COMMAND [ARG...]   run a program that listens on PORT
  gonicorn [flags] demo                  run the demo app
  gonicorn status, reload, scale N, ...  ask or tell a running gonicorn: see below

Flags may stand before and behind the app. A config file, the variables
GONICORN_<SETTING>, and flags in GUNICORN_CMD_ARGS say the same things: see
docs/settings.md, or --print-config for all settings with their values.
`

// writeHelp writes the text of --help: the flags that have an effect, by section.
func writeHelp(w io.Writer, settings []config.Setting) error {
	var b strings.Builder
	b.WriteString(usageText)
	table := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	shown := slices.DeleteFunc(slices.Clone(settings), func(s config.Setting) bool { return s.Note != "" })
	flags := cliFlags(shown)
	var last config.Section
	for _, s := range shown {
		if s.Section == last || len(flags[s.Section]) == 0 {
			continue
		}
		last = s.Section
		fmt.Fprintf(table, "\n%s:\n", s.Section)
		for _, flag := range flags[s.Section] {
			fmt.Fprintf(table, "  %s\n", flag)
		}
	}
	fmt.Fprintf(table, "\nCommands, to a running gonicorn (gonicorn COMMAND --help); TARGET is a name (-n), :PORT, a pid or a folder,\n"+
		"and may be left out in the app's folder or where one runs:\n")
	for _, c := range newCommandLine(Options{}, io.Discard, io.Discard).commands() {
		fmt.Fprintf(table, "  %s\t%s\n", strings.TrimSpace(c.Name+" "+c.ArgsUsage), c.Usage)
	}
	fmt.Fprintf(table, "\nOther:\n  --help, -h\tShow this\n  --version, -v\tShow the version\n")
	if err := table.Flush(); err != nil {
		return fmt.Errorf("write help: %w", err)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write help: %w", err)
	}
	return nil
}

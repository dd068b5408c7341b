package cli

import (
	"errors"
	"slices"
	"strings"

	"github.com/gonicorn/gonicorn/internal/errcode"
	"github.com/gonicorn/gonicorn/internal/operatorapi"
	"github.com/gonicorn/gonicorn/internal/version"
	ucli "github.com/urfave/cli/v2"
)

// commands are what gonicorn can do besides running an app. A command's name
// counts only as the first argument: anywhere else it may be an app's.
func (l *commandLine) commands() []*ucli.Command {
	socket := &ucli.StringFlag{Name: "control-socket", Usage: "the running gonicorn's control socket; without it, that of this folder, or the only one there is"}
	asJSON := &ucli.BoolFlag{Name: "json", Usage: "as JSON"}
	target := "[TARGET]"
	numbered := func(name, args, usage string, do func(*ucli.Context, *operatorapi.Client, int) error, flags ...ucli.Flag) *ucli.Command {
		return &ucli.Command{
			Name: name, Usage: usage, ArgsUsage: strings.TrimSpace(target + " " + args), Flags: append(flags, socket), HideHelpCommand: true,
			Action: func(c *ucli.Context) error {
				word, n, err := l.operands(c, args != "")
				if err != nil {
					return err
				}
				client, err := l.find(c, word)
				if err != nil {
					return err
				}
				return do(c, client, n)
			},
		}
	}
	ask := func(name, usage string, do func(*ucli.Context, *operatorapi.Client) error, flags ...ucli.Flag) *ucli.Command {
		return numbered(name, "", usage, func(c *ucli.Context, client *operatorapi.Client, _ int) error { return do(c, client) }, flags...)
	}
	return []*ucli.Command{
		{Name: "ls", Usage: "the gonicorns that run, a line each", HideHelpCommand: true, Action: l.list},
		ask("status", "how the app and its workers are", l.status, asJSON, &ucli.BoolFlag{Name: "ready", Usage: "fail unless a worker takes requests, as a health check wants it"}),
		ask("workers", "the workers, a line each", l.workers, asJSON),
		ask("requests", "the requests in flight now", l.requests, asJSON),
		ask("top", "the app and its workers, live in the terminal", l.top),
		ask("reload", "reread the config and replace the workers; waits for the outcome", l.reload),
		numbered("scale", "N", "have N workers, until the next reload; waits until they serve", l.scale),
		numbered("restart", "ID", "replace one worker; waits until its successor serves", l.restart),
		numbered("stacks", "ID", "where every thread of a worker is; the worker goes on", l.stacks),
		numbered("drain", "", "let gateway and workers finish and go, keep the sockets; reload brings them back", l.drain),
		ask("reopen", "reopen the log files", func(c *ucli.Context, client *operatorapi.Client) error {
			return l.post(c, client, "/reopen", nil, "reopening the log files")
		}),
		ask("upgrade", "replace the running gonicorn with the current binary; goes back if that does not serve", l.upgrade),
		numbered("stop", "", "finish what is in flight and stop; waits until it has", l.stop),
		ask("logs", "the last lines of the log", l.logs, &ucli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "and those to come"}),
		{
			Name: "check", Usage: "say what is wrong with the config, and load the app", ArgsUsage: "[APP] [flags]", HideHelpCommand: true,
			SkipFlagParsing: true, Action: l.check,
		},
		{
			Name: "init", Usage: "print a file that runs the app", ArgsUsage: strings.Join(starterKinds(), "|") + " [APP] [flags]",
			HideHelpCommand: true, SkipFlagParsing: true, Action: l.init,
		},
		{Name: "completion", Usage: "a script that completes commands and flags", ArgsUsage: "bash|zsh|fish", HideHelpCommand: true, Action: l.completion},
		{
			Name: "schema", Usage: "the JSON Schema of gunicorn.toml, for editors", HideHelpCommand: true,
			Action: l.schema,
		},
		{Name: "man", Usage: "the manual page, for man -l -", HideHelpCommand: true, Action: l.man},
	}
}

// command carries out a command; is says whether args name one.
func (l *commandLine) command(args []string) (code int, is bool, err error) {
	if len(args) < 2 || l.o.IsHandler {
		return 0, false, nil
	}
	commands := l.commands()
	if !slices.ContainsFunc(commands, func(c *ucli.Command) bool { return c.Name == args[1] }) {
		return 0, false, nil
	}
	app := l.ucli(commands)
	if args[1] != "check" && args[1] != "init" { // these take the flags of an app
		args = flagsFirst(args)
	}
	if err := app.Run(args); err != nil {
		var usage *usageError
		var flag *flagError
		var checked *checkError
		switch {
		case errors.As(err, &checked):
			return checked.code, true, err
		case errors.As(err, &usage), errors.As(err, &flag):
			return errcode.ExitUsage, true, err
		}
		return errcode.ExitConfig, true, err
	}
	return errcode.ExitOK, true, nil
}

// flagsFirst moves the flags of a command before its arguments, because
// urfave/cli looks for them only there.
func flagsFirst(args []string) []string {
	var flags, rest []string
	for i := 2; i < len(args); i++ {
		switch {
		case !strings.HasPrefix(args[i], "-"):
			rest = append(rest, args[i])
		case strings.TrimLeft(args[i], "-") == "control-socket" && i+1 < len(args):
			flags = append(flags, args[i], args[i+1])
			i++
		default:
			flags = append(flags, args[i])
		}
	}
	return slices.Concat(args[:2], flags, rest)
}

// ucli is the command line in the form of urfave/cli.
func (l *commandLine) ucli(commands []*ucli.Command) *ucli.App {
	app := &ucli.App{
		Name: "gonicorn", Usage: "run an app in any language with workers that are kept alive", Version: version.Release,
		Commands: commands, Writer: l.stdout, ErrWriter: l.stderr, HideHelpCommand: true, HideVersion: true,
		ExitErrHandler: func(*ucli.Context, error) {},
		OnUsageError: func(_ *ucli.Context, err error, _ bool) error {
			return &usageError{err.Error()}
		},
	}
	for _, c := range commands {
		c.OnUsageError = app.OnUsageError
	}
	return app
}

// usageError is a command that was typed wrongly. It ends gonicorn with
// errcode.ExitUsage.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

// Code is its code in docs/errors.md.
func (*usageError) Code() string { return "GON002" }

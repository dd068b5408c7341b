package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/internal/console"
	"github.com/gonicorn/gonicorn/internal/errcode"
	"github.com/gonicorn/gonicorn/internal/status"
	"github.com/gonicorn/gonicorn/internal/top"
	"github.com/gonicorn/gonicorn/internal/version"
	ucli "github.com/urfave/cli/v2"
	"golang.org/x/term"
)

// commands are what gonicorn does besides running an app. A command's name
// counts as the first argument only: anywhere else it may be an app's.
func (l *commandLine) commands() []*ucli.Command {
	socket := &ucli.StringFlag{Name: "control-socket", Usage: "the running gonicorn's control socket; without it, that of this folder, or the only one there is"}
	asJSON := &ucli.BoolFlag{Name: "json", Usage: "as JSON"}
	target := "[TARGET]"
	numbered := func(name, args, usage string, do func(*ucli.Context, *console.Client, int) error, flags ...ucli.Flag) *ucli.Command {
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
	ask := func(name, usage string, do func(*ucli.Context, *console.Client) error, flags ...ucli.Flag) *ucli.Command {
		return numbered(name, "", usage, func(c *ucli.Context, client *console.Client, _ int) error { return do(c, client) }, flags...)
	}
	return []*ucli.Command{
		{Name: "ls", Usage: "the gonicorns that run, a line each", HideHelpCommand: true, Action: l.list},
		ask("status", "how the app and its workers are", l.status, asJSON, &ucli.BoolFlag{Name: "ready", Usage: "fail unless a worker takes requests, as a health check wants it"}),
		ask("workers", "the workers, a line each", l.workers, asJSON),
		ask("requests", "the requests in hand now", l.requests, asJSON),
		ask("top", "the app and its workers, live in the terminal", func(c *ucli.Context, client *console.Client) error {
			if !term.IsTerminal(int(os.Stdout.Fd())) {
				return &usageError{"top: standard output is no terminal; try: gonicorn status, or gonicorn status --json"}
			}
			return top.Run(c.Context, client, os.Stdin, os.Stdout)
		}),
		ask("reload", "read the config anew and exchange the workers; waits for the outcome", l.reload),
		numbered("scale", "N", "have N workers, until the next reload; waits until they serve", l.scale),
		numbered("restart", "ID", "replace one worker; waits until its successor serves", l.restart),
		numbered("stacks", "ID", "where every thread of a worker is; the worker goes on", l.stacks),
		numbered("drain", "", "let gateway and workers finish and go, keep the sockets; reload brings them back", l.drain),
		ask("reopen", "open the log files anew", func(c *ucli.Context, client *console.Client) error {
			return l.post(c, client, "/reopen", nil, "the logs are being opened anew")
		}),
		ask("upgrade", "replace the running binary by the one that is there now; goes back when that does not serve", l.upgrade),
		numbered("stop", "", "finish what is in hand and stop; waits until it has", l.stop),
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
			Action: func(*ucli.Context) error { return config.Schema(l.stdout) },
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
	if args[1] != "check" && args[1] != "init" { // whose flags are an app's
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

// flagsFirst puts the flags of a command in front of its arguments, where alone
// urfave/cli looks for them.
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

// ucli is the command line as urfave/cli knows it.
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

func (l *commandLine) post(c *ucli.Context, client *console.Client, path string, body any, done string) error {
	if err := client.Post(c.Context, path, body); err != nil {
		return fmt.Errorf("%s: %w", c.Command.Name, err)
	}
	fmt.Fprintln(l.stdout, done)
	return nil
}

// get shows an answer as JSON, or has show write it for people.
func get[T any](l *commandLine, c *ucli.Context, client *console.Client, path string, show func(T, io.Writer)) error {
	if c.Bool("json") {
		var raw json.RawMessage
		if err := client.Get(c.Context, path, &raw); err != nil {
			return err
		}
		fmt.Fprintln(l.stdout, string(raw))
		return nil
	}
	var got T
	if err := client.Get(c.Context, path, &got); err != nil {
		return err
	}
	table := tabwriter.NewWriter(l.stdout, 0, 0, 2, ' ', 0)
	show(got, table)
	return table.Flush() // to a terminal
}

// reload says what became of it, and what was left out.
func (l *commandLine) reload(c *ucli.Context, client *console.Client) error {
	done, err := client.Reload(c.Context)
	if err != nil {
		return fmt.Errorf("reload: %w", err)
	}
	fmt.Fprintln(l.stdout, "the new workers serve")
	if done.Note != "" {
		fmt.Fprintln(l.stdout, done.Note)
	}
	return nil
}

// upgrade returns when the old gonicorn has finished.
func (l *commandLine) upgrade(c *ucli.Context, client *console.Client) error {
	lines, err := client.Stream(c.Context, "/logs?follow=1")
	if err != nil {
		return err
	}
	defer lines.Close()
	if err := l.post(c, client, "/upgrade", nil, "the new gonicorn serves"); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, lines) // ends with the old one
	return l.answers(c, client)
}

func (l *commandLine) status(c *ucli.Context, client *console.Client) error {
	err := get(l, c, client, "/status", func(s status.Status, w io.Writer) {
		state := s.State
		if state == "ready" {
			state = "serving"
		}
		fmt.Fprintf(w, "gonicorn %s, pid %d\t%s\n", s.Version, s.PID, state)
		fmt.Fprintf(w, "app\t%s\n", s.App)
		fmt.Fprintf(w, "listening at\t%s\n", strings.Join(s.Bind, ", "))
		fmt.Fprintf(w, "workers\t%d of %d ready, generation %d, %d restarts\n", s.Ready, s.Wanted, s.Generation, s.Restarts)
		if s.LastReload != "" {
			fmt.Fprintf(w, "last reload failed\t%s\n", s.LastReload)
		}
		if s.LastNote != "" {
			fmt.Fprintf(w, "last reload\t%s\n", s.LastNote)
		}
		if t := s.Trial; t != nil {
			fmt.Fprintf(w, "canary\tgeneration %d, %s of %s, %d answers, %d of them 5xx, half within %s in the app (others %s)\n", t.Generation,
				t.Age.Round(time.Second), t.For, t.Answers, t.Errors, t.P50.Round(10*time.Microsecond), t.OthersP50.Round(10*time.Microsecond))
		}
		if s.Stale != "" {
			fmt.Fprintf(w, "workers are not replaced\t%s; mend the code and reload\n", s.Stale)
		}
		fmt.Fprintln(w)
		listWorkers(s.Workers, w)
	})
	if err != nil || !c.Bool("ready") {
		return err
	}
	var s status.Status
	if err := client.Get(c.Context, "/status", &s); err != nil {
		return err
	}
	if s.Ready == 0 {
		return errNoneReady
	}
	return nil
}

// errNoneReady is what status --ready says of a gonicorn that serves nobody.
var errNoneReady = errors.New("no worker takes requests; see: gonicorn logs")

func (l *commandLine) workers(c *ucli.Context, client *console.Client) error {
	return get(l, c, client, "/status", func(s status.Status, w io.Writer) { listWorkers(s.Workers, w) })
}

func listWorkers(workers []status.Worker, w io.Writer) {
	rank := map[string]int{"worker": 0, "gateway": 1, "monitor": 2, "guard": 3}
	slices.SortStableFunc(workers, func(a, b status.Worker) int {
		return cmp.Or(cmp.Compare(rank[a.Role], rank[b.Role]), cmp.Compare(a.ID, b.ID))
	})
	fmt.Fprintln(w, "ROLE\tID\tPID\tGEN\tSTATE\tAGE\tREQUESTS\tIN HAND\tOLDEST\tRSS")
	for _, x := range workers {
		state := x.Stage
		if x.Leaves != "" {
			state += " (" + x.Leaves + ")"
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%s\t%s\t%d\t%d\t%s\t%s\n", x.Role, x.ID, x.PID, x.Generation, state,
			x.Age.Round(time.Second), x.Requests, x.InFlight, dash(x.RequestAge), mib(x.RSS))
	}
}

func dash(d time.Duration) string {
	if d <= 0 {
		return "-"
	}
	return d.Round(time.Millisecond).String()
}

func mib(n int64) string {
	if n <= 0 {
		return "-"
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

func (l *commandLine) requests(c *ucli.Context, client *console.Client) error {
	return get(l, c, client, "/requests", func(all []console.Request, w io.Writer) {
		slices.SortFunc(all, func(a, b console.Request) int { return cmp.Compare(b.Age, a.Age) })
		fmt.Fprintln(w, "AGE\tWORKER\tPID\tMETHOD\tPATH\tID")
		for _, r := range all {
			worker := strconv.Itoa(r.Worker)
			if r.Worker == 0 {
				worker = "-"
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%q\t%s\n", dash(r.Age), worker, r.PID, r.Method, r.Path, r.ID)
		}
	})
}

func (l *commandLine) stacks(c *ucli.Context, client *console.Client, id int) error {
	var got struct{ Stacks string }
	if err := client.Get(c.Context, fmt.Sprintf("/workers/%d/stacks", id), &got); err != nil {
		return err
	}
	fmt.Fprint(l.stdout, got.Stacks)
	return nil
}

func (l *commandLine) logs(c *ucli.Context, client *console.Client) error {
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt, syscall.SIGTERM)
	defer stop()
	path := "/logs"
	if c.Bool("follow") {
		path += "?follow=1"
	}
	lines, err := client.Stream(ctx, path)
	if err != nil {
		return err
	}
	defer lines.Close()
	if _, err := io.Copy(l.stdout, lines); err != nil && !errors.Is(err, context.Canceled) && ctx.Err() == nil {
		return fmt.Errorf("read log: %w", err)
	}
	return nil
}

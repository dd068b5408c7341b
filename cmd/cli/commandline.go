package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/internal/daemon"
	"github.com/gonicorn/gonicorn/internal/discover"
	"github.com/gonicorn/gonicorn/internal/envfile"
	"github.com/gonicorn/gonicorn/internal/errcode"
	"github.com/gonicorn/gonicorn/internal/listen"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/supervise"
	"github.com/gonicorn/gonicorn/internal/version"
	"github.com/gonicorn/gonicorn/workers/python"
)

// demoApp is the name that runs the demo instead of an app.
const demoApp = "demo"

// commandLine carries out one command line.
type commandLine struct {
	o              Options
	stdout, stderr io.Writer
	settings       []config.Setting
}

func newCommandLine(o Options, stdout, stderr io.Writer) *commandLine {
	return &commandLine{o: o, stdout: stdout, stderr: stderr, settings: config.Settings()}
}

// run returns the exit code and the error to print.
func (l *commandLine) run(args []string) (code int, err error) {
	report := daemon.Open()
	defer func() {
		if err != nil {
			report.Done(code, err) // unless that has been said already
		}
	}()
	if code, is, err := l.command(args); is {
		return code, err
	}
	p, err := parseArgs(args[1:], l.settings)
	switch {
	case err != nil:
		return errcode.ExitUsage, err
	case p.help:
		if err := writeHelp(l.stdout, l.settings); err != nil {
			return errcode.ExitConfig, err
		}
		return errcode.ExitOK, nil
	case p.version:
		fmt.Fprintln(l.stdout, "gonicorn", version.Text())
		return errcode.ExitOK, nil
	}
	loaded, err := l.load(context.Background(), nil, p)
	if err != nil {
		var flag *flagError
		if errors.As(err, &flag) {
			return errcode.ExitUsage, err
		}
		return errcode.ExitConfig, err
	}
	c := &loaded.Config
	if c.PrintConfig {
		if err := loaded.Print(l.stdout); err != nil {
			return errcode.ExitConfig, err
		}
		if !c.CheckConfig {
			return errcode.ExitOK, nil
		}
	}
	a, err := l.app(p, c)
	if err == nil {
		err = supervise.Startable(c, loaded.Origin)
	}
	if err == nil && c.CheckConfig {
		err = supervise.Check(a, c)
	}
	if err != nil {
		return errcode.Exit(err), err
	}
	if c.CheckConfig {
		for _, warning := range loaded.Warnings { // as a start would log them
			fmt.Fprintln(l.stderr, "gonicorn: warning: "+warning)
		}
		fmt.Fprintln(l.stdout, "the config is good")
		return errcode.ExitOK, nil
	}
	proc.CloseInherited()
	if c.Daemon && report == nil {
		return daemon.Start(args, l.stderr)
	}
	reread := func(ctx context.Context, helpers *proc.Helpers) (*config.Loaded, error) {
		again, err := l.load(ctx, helpers, p)
		if err == nil {
			err = supervise.Startable(&again.Config, again.Origin)
		}
		return again, err
	}
	start := l.o.start(a, loaded, reread)
	start.Report = report
	err = supervise.Run(context.Background(), start)
	if err != nil && report != nil {
		return errcode.Exit(err), nil // the process that started it has printed it
	}
	return errcode.Exit(err), err
}

// load reads all sources of the config.
func (l *commandLine) load(ctx context.Context, helpers *proc.Helpers, p parsed) (*config.Loaded, error) {
	more, err := parseCmdArgs(os.Getenv(envCmdArgs), l.settings)
	if err != nil {
		return nil, err
	}
	loaded, err := config.Load(config.Inputs{
		Environ: os.Environ(), CmdArgs: more, Flags: p.given, Classes: l.o.classNames(),
		CheckBind: func(address string) error { _, err := listen.Parse(address); return err },
		Python: func(path string, names []string) (config.Evaluated, error) {
			return evaluate(ctx, helpers, path, names, append(more, p.given...))
		},
	})
	if err != nil {
		return nil, err
	}
	loaded.Config.FileEnv, err = envfile.Read(loaded.Config.EnvFile)
	return loaded, err
}

// evaluate evaluates a gunicorn.conf.py with the app's Python, as far as the
// flags tell which one that is.
func evaluate(ctx context.Context, helpers *proc.Helpers, path string, names []string, flags []config.Given) (got config.Evaluated, err error) {
	named, files := os.Getenv("GONICORN_PYTHON"), []string(nil)
	for _, f := range flags {
		switch f.Name {
		case "python":
			named = f.Value
		case "env_file":
			files = append(files, f.Value)
		}
	}
	if files == nil && os.Getenv("GONICORN_ENV_FILE") != "" {
		files = []string{os.Getenv("GONICORN_ENV_FILE")}
	}
	fromFiles, err := envfile.Read(files)
	if err != nil {
		return got, err
	}
	i, err := python.Find(ctx, helpers, named, "", os.Environ())
	if err != nil {
		return got, err
	}
	answer, err := python.EvaluateConf(ctx, helpers, i, path, names, append(os.Environ(), fromFiles...))
	if err != nil {
		return got, err
	}
	if err := json.Unmarshal(answer, &got); err != nil {
		return got, fmt.Errorf("read what Python says: %w", err)
	}
	return got, nil
}

// app finds out what to run.
func (l *commandLine) app(p parsed, c *config.Config) (supervise.App, error) {
	switch {
	case l.o.IsHandler:
		if len(p.positionals) > 0 || p.command != nil {
			return nil, fmt.Errorf("%s has its app inside: it takes flags only", os.Args[0])
		}
		return supervise.Handler("Go handler in " + os.Args[0]), nil
	case p.command != nil:
		if len(p.command) == 0 || p.command[0] == "" {
			return nil, errcode.With("GON010", &errcode.AppError{Err: errors.New("the command behind -- is missing; type, for example: gonicorn -w 4 -b :8000 -- node server.js")})
		}
		if len(p.positionals) > 0 {
			return nil, errcode.With("GON010", &errcode.AppError{Err: fmt.Errorf("%q stands before --, and a command behind it: give one of them", p.positionals[0])})
		}
		return supervise.Program(p.command), nil
	case len(p.positionals) == 1 && p.positionals[0] == demoApp:
		return supervise.Handler("the embedded demo"), nil
	case len(p.positionals) == 1:
		if err := l.noModule(p.positionals[0], c); err != nil {
			return nil, errcode.With("GON010", &errcode.AppError{Err: err})
		}
		return supervise.Python(p.positionals[0]), nil
	case len(p.positionals) > 1:
		return nil, errcode.With("GON010", &errcode.AppError{Err: fmt.Errorf("there are two apps, %q and %q; name one, or write -- in front of a command", p.positionals[0], p.positionals[1])})
	case c.Paste != "", c.WSGIApp != "":
		return supervise.Python(""), nil
	}
	return nil, errcode.With("GON010", &errcode.AppError{Err: discover.NoApp(c.Chdir)})
}

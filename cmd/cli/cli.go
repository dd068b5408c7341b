// Package cli is gonicorn's command line: it reads flags and config, finds out
// what the app is, and gives the arbiter what to start. The gonicorn command
// and the library face share it.
package cli

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/gateway/process"
	"github.com/gonicorn/gonicorn/internal/errcode"
	"github.com/gonicorn/gonicorn/internal/guard"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/supervise"
	"github.com/gonicorn/gonicorn/internal/wire"
	"github.com/gonicorn/gonicorn/monitor"
	"github.com/gonicorn/gonicorn/workers"
	"github.com/gonicorn/gonicorn/workers/handler"
)

// Options is what a program adds to the command line.
type Options struct {
	// Handler is what workers of this binary serve. It may be nil for classes
	// that do not speak HTTP.
	Handler http.Handler
	// IsHandler says that the handler is the app. Otherwise it is the demo, and
	// the app is named on the command line.
	IsHandler bool
	// Classes are worker classes besides the built-in ones.
	Classes []workers.Class
}

// classes is the table of all worker classes.
func (o Options) classes() []workers.Class {
	return append(workers.Builtin(), o.Classes...)
}

func (o Options) classNames() []string {
	var names []string
	for _, c := range o.classes() {
		names = append(append(names, c.Name()), c.Aliases()...)
	}
	return names
}

// Main runs the command and returns the exit code of the process.
func Main(args []string, o Options) int {
	if code, is := Role(o); is {
		return code
	}
	code, err := newCommandLine(o, os.Stdout, os.Stderr).run(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "gonicorn:", err, "["+errcode.Of(err)+"]")
	}
	return code
}

// Role runs this process's part if it is not the arbiter: a worker, the guard,
// another of gonicorn's processes, or a command about to be executed. It reports
// whether it was one of these.
func Role(o Options) (code int, is bool) {
	switch os.Getenv(wire.EnvRole) {
	case wire.RoleExec:
		return proc.RunExec(), true
	case wire.RoleTryBatch:
		return proc.TryBatch(), true
	case wire.RoleGuard:
		return guard.Main(), true
	case wire.RoleGateway:
		return process.Main(), true
	case wire.RoleMonitor:
		return monitor.Main(), true
	case wire.RoleWorker:
		return handler.Main(o.Handler, o.classes()), true
	}
	return 0, false
}

// Run supervises o's handler with a config made by a program. A reload starts
// the workers again with the same config.
func Run(ctx context.Context, c config.Config, o Options) error {
	if err := c.Validate(o.classNames()); err != nil {
		return err
	}
	loaded := &config.Loaded{Config: c}
	return supervise.Run(ctx, o.start(supervise.Handler("Go handler"), loaded, func(context.Context, *proc.Helpers) (*config.Loaded, error) { return loaded, nil }))
}

// start returns what a run begins with.
func (o Options) start(app supervise.App, loaded *config.Loaded, reread func(context.Context, *proc.Helpers) (*config.Loaded, error)) supervise.Start {
	return supervise.Start{App: app, Classes: o.classes(), IsHandler: o.IsHandler, Config: loaded, Reread: reread}
}

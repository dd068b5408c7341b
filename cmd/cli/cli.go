// Package cli is gonicorn's command line: it reads flags and config, finds out
// what the app is, and gives the arbiter what to start. The gonicorn command
// and the library face share it.
package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/gateway/process"
	"github.com/gonicorn/gonicorn/internal/errcode"
	"github.com/gonicorn/gonicorn/internal/logging"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
	"github.com/gonicorn/gonicorn/internal/wire"
	"github.com/gonicorn/gonicorn/monitor"
	"github.com/gonicorn/gonicorn/workers"
	"github.com/gonicorn/gonicorn/workers/handler"
)

// Options is what a program puts into its command line.
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

// Main is the command: it returns the exit code of the process.
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

// Role runs this process's part when it is not the arbiter: a worker, the
// guard, or a command about to be executed. It reports whether it was any.
func Role(o Options) (code int, is bool) {
	switch os.Getenv(wire.EnvRole) {
	case wire.RoleExec:
		return proc.RunExec(), true
	case wire.RoleGuard:
		return runGuard(), true
	case wire.RoleGateway:
		return process.Main(), true
	case wire.RoleMonitor:
		return monitor.Main(), true
	case wire.RoleWorker:
		return handler.Main(o.Handler, o.classes()), true
	}
	return 0, false
}

// envLogFormat tells the guard log_format.
const envLogFormat = "GONICORN_GUARD_LOG_FORMAT"

// guardThreads is how many threads the guard may need: it waits for a pipe and a
// timer, and must not end at the system's limit of threads.
const guardThreads = 4

func runGuard() int {
	fd := func(name string) int {
		n, err := strconv.Atoi(os.Getenv(name))
		if err != nil {
			return -1
		}
		return n
	}
	if err := proc.Conceal(); err != nil {
		fmt.Fprintln(os.Stderr, "guard:", err)
		return 1
	}
	children, err := scoreboard.OpenRegister(fd(wire.EnvChildren))
	if err != nil {
		fmt.Fprintln(os.Stderr, "guard:", err)
		return 1
	}
	counts, err := scoreboard.Open(fd(wire.EnvCounts))
	if err != nil {
		fmt.Fprintln(os.Stderr, "guard:", err)
		return 1
	}
	proc.ReserveThreads(guardThreads)
	graceful, err := strconv.ParseInt(os.Getenv(wire.EnvWorker), 10, 64)
	if err != nil {
		fmt.Fprintln(os.Stderr, "guard:", err)
		return 1
	}
	log := slog.New(logging.NewHandler(logging.Descriptor(fd(wire.EnvLog)), logging.Options{JSON: os.Getenv(envLogFormat) == "json"}))
	return proc.RunGuard(children, counts, fd(wire.EnvLifeline), time.Duration(graceful), func(arbiter int) {
		log.Error("the arbiter was killed: workers finish what they have in hand, within graceful_timeout, and then nothing of this "+
			"gonicorn is left; start it again", "arbiter", arbiter, "graceful_timeout", time.Duration(graceful).String(), "code", "GON050")
	})
}

// Run supervises o's handler with a config made by a program. A reload starts
// the workers anew with the same config.
func Run(ctx context.Context, c config.Config, o Options) error {
	if err := c.Validate(o.classNames()); err != nil {
		return err
	}
	loaded := &config.Loaded{Config: c}
	reread := func(context.Context, *proc.Helpers) (*config.Loaded, error) { return loaded, nil }
	return supervise(ctx, o, goHandler{name: "Go handler"}, loaded, reread, nil)
}

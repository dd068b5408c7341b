//go:build !windows

// Package gonicorn runs a Go http.Handler the way the gonicorn command runs an
// app: an arbiter keeps worker processes alive, restarts them when they crash,
// hang, leak or grow old, and reloads without anybody noticing.
//
// The workers are this same binary, started again: a program reaches Main or
// Run in every process, the arbiter and each worker, so that what stands before
// the call runs in all of them.
//
//	func main() {
//		gonicorn.Main(http.HandlerFunc(hello))
//	}
package gonicorn

import (
	"context"
	"net/http"
	"os"

	"github.com/gonicorn/gonicorn/cmd/cli"
	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/workers"
	"github.com/gonicorn/gonicorn/workers/handler"
)

// Config is every setting, as flags and gunicorn.toml have them.
type Config = config.Config

// Worker is what a handler can learn of the worker that it runs in.
type Worker = handler.Info

// FromContext returns the worker that serves a request, from the request's
// context; false outside gonicorn.
func FromContext(ctx context.Context) (Worker, bool) { return handler.FromContext(ctx) }

// Option changes how Main and Run work.
type Option struct{ apply func(*cli.Options) }

// WithClass adds a worker class to those that -k can name.
func WithClass(c workers.Class) Option {
	return Option{func(o *cli.Options) { o.Classes = append(o.Classes, c) }}
}

// DefaultConfig returns every setting at its default.
func DefaultConfig() Config { return config.Default() }

// Main runs h under the arbiter with the flags of the command line, the
// environment and gunicorn.toml, as the gonicorn command does, and exits the
// process when it has been told to stop. h may be nil where the worker class
// does not speak HTTP.
func Main(h http.Handler, options ...Option) {
	os.Exit(cli.Main(os.Args, apply(h, options)))
}

// Run runs h under the arbiter with this config until ctx ends or a signal asks
// it to stop, and returns once every worker is gone. In a worker process it
// serves and does not return: the process exits.
func Run(ctx context.Context, c Config, h http.Handler, options ...Option) error {
	o := apply(h, options)
	if code, is := cli.Role(o); is {
		os.Exit(code)
	}
	return cli.Run(ctx, c, o)
}

func apply(h http.Handler, options []Option) cli.Options {
	o := cli.Options{Handler: h, IsHandler: true}
	for _, option := range options {
		option.apply(&o)
	}
	return o
}

//go:build !windows

// Package gonicorn runs a Go http.Handler the way the gonicorn command runs an
// app: an arbiter keeps worker processes alive, replaces them when they crash,
// hang, leak or grow old, and reloads without dropping a request.
//
// The workers are this same binary, started again. Every process, the arbiter
// and each worker, calls Main or Run, so the code before that call runs in all
// of them.
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

// Config has all settings, those of the flags and of gunicorn.toml.
type Config = config.Config

// Worker describes the worker that a handler runs in.
type Worker = handler.Info

// FromContext returns the worker that serves a request, from the request's
// context. It returns false outside gonicorn.
func FromContext(ctx context.Context) (Worker, bool) { return handler.FromContext(ctx) }

// Option changes how Main and Run work.
type Option struct{ apply func(*cli.Options) }

// WithClass adds a worker class to those that -k can name.
func WithClass(c workers.Class) Option {
	return Option{func(o *cli.Options) { o.Classes = append(o.Classes, c) }}
}

// DefaultConfig returns a config with all defaults.
func DefaultConfig() Config { return config.Default() }

// Main runs h under the arbiter. It reads flags, environment and gunicorn.toml,
// as the gonicorn command does, and exits the process once gonicorn has stopped.
// h may be nil if the worker class does not speak HTTP.
func Main(h http.Handler, options ...Option) {
	os.Exit(cli.Main(os.Args, apply(h, options)))
}

// Run runs h under the arbiter with this config until ctx ends or a signal asks
// it to stop. It returns once every worker has ended. In a worker process it
// serves and never returns: the process exits.
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

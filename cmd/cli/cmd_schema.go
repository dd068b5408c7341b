package cli

import (
	"github.com/gonicorn/gonicorn/config"
	ucli "github.com/urfave/cli/v2"
)

// schema writes the JSON Schema of gunicorn.toml.
func (l *commandLine) schema(*ucli.Context) error { return config.Schema(l.stdout) }

package cli

import (
	"os"

	"github.com/gonicorn/gonicorn/internal/operatorapi"
	"github.com/gonicorn/gonicorn/internal/top"
	ucli "github.com/urfave/cli/v2"
	"golang.org/x/term"
)

// top shows the app live, in a terminal.
func (l *commandLine) top(c *ucli.Context, client *operatorapi.Client) error {
	if !term.IsTerminal(int(os.Stdout.Fd())) {
		return &usageError{"top: standard output is not a terminal; try: gonicorn status, or gonicorn status --json"}
	}
	return top.Run(c.Context, client, os.Stdin, os.Stdout)
}

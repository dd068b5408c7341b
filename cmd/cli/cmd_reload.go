package cli

import (
	"fmt"

	"github.com/gonicorn/gonicorn/internal/operatorapi"
	ucli "github.com/urfave/cli/v2"
)

// reload prints how the reload ended, and what it left out.
func (l *commandLine) reload(c *ucli.Context, client *operatorapi.Client) error {
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

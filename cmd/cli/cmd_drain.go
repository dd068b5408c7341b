package cli

import (
	"github.com/gonicorn/gonicorn/internal/operatorapi"
	"github.com/gonicorn/gonicorn/internal/status"
	ucli "github.com/urfave/cli/v2"
)

func (l *commandLine) drain(c *ucli.Context, client *operatorapi.Client, _ int) error {
	if err := l.post(c, client, "/drain", nil, "draining"); err != nil {
		return err
	}
	return l.until(c, client, "drained: gonicorn reload brings the workers back", func(s status.Status) bool { return s.State == "drained" })
}

package cli

import (
	"fmt"

	"github.com/gonicorn/gonicorn/internal/operatorapi"
	ucli "github.com/urfave/cli/v2"
)

func (l *commandLine) stacks(c *ucli.Context, client *operatorapi.Client, id int) error {
	var got struct{ Stacks string }
	if err := client.Get(c.Context, fmt.Sprintf("/workers/%d/stacks", id), &got); err != nil {
		return err
	}
	fmt.Fprint(l.stdout, got.Stacks)
	return nil
}

package cli

import (
	"cmp"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gonicorn/gonicorn/internal/errcode"
	ucli "github.com/urfave/cli/v2"
)

// list shows all running gonicorns of this user.
func (l *commandLine) list(c *ucli.Context) error {
	all, folder := l.running(c.Context)
	if len(all) == 0 {
		return errcode.With("GON030", fmt.Errorf("no gonicorn of this user is running: no control socket in %s", folder))
	}
	table := tabwriter.NewWriter(l.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tAPP\tADDRESS\tPID\tWORKERS\tUPTIME\tFOLDER")
	for _, t := range all {
		s := t.status
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d of %d\t%s\t%s\n", t.name(), appName(s.App), cmp.Or(strings.Join(s.Bind, ","), "-"), s.PID,
			s.Ready, s.Wanted, s.Uptime.Round(time.Second), s.Dir)
	}
	return table.Flush() // to a terminal
}

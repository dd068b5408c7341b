package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/gonicorn/gonicorn/internal/operatorapi"
	ucli "github.com/urfave/cli/v2"
)

func (l *commandLine) requests(c *ucli.Context, client *operatorapi.Client) error {
	return get(l, c, client, "/requests", func(all []operatorapi.Request, w io.Writer) {
		slices.SortFunc(all, func(a, b operatorapi.Request) int { return cmp.Compare(b.Age, a.Age) })
		fmt.Fprintln(w, "AGE\tWORKER\tPID\tMETHOD\tPATH\tID")
		for _, r := range all {
			worker := strconv.Itoa(r.Worker)
			if r.Worker == 0 {
				worker = "-"
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%q\t%s\n", dash(r.Age), worker, r.PID, r.Method, r.Path, r.ID)
		}
	})
}

package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/gonicorn/gonicorn/internal/operatorapi"
	"github.com/gonicorn/gonicorn/internal/status"
	ucli "github.com/urfave/cli/v2"
)

func (l *commandLine) workers(c *ucli.Context, client *operatorapi.Client) error {
	return get(l, c, client, "/status", func(s status.Status, w io.Writer) { listWorkers(s.Workers, w) })
}

func listWorkers(workers []status.Worker, w io.Writer) {
	rank := map[string]int{"worker": 0, "gateway": 1, "monitor": 2, "guard": 3}
	slices.SortStableFunc(workers, func(a, b status.Worker) int {
		return cmp.Or(cmp.Compare(rank[a.Role], rank[b.Role]), cmp.Compare(a.ID, b.ID))
	})
	fmt.Fprintln(w, "ROLE\tID\tPID\tGEN\tSTATE\tAGE\tREQUESTS\tIN HAND\tOLDEST\tRSS")
	for _, x := range workers {
		state := x.Stage
		if x.Leaves != "" {
			state += " (" + x.Leaves + ")"
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%s\t%s\t%d\t%d\t%s\t%s\n", x.Role, x.ID, x.PID, x.Generation, state,
			x.Age.Round(time.Second), x.Requests, x.InFlight, dash(x.RequestAge), mib(x.RSS))
	}
}

func mib(n int64) string {
	if n <= 0 {
		return "-"
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gonicorn/gonicorn/internal/operatorapi"
	"github.com/gonicorn/gonicorn/internal/status"
	ucli "github.com/urfave/cli/v2"
)

func (l *commandLine) status(c *ucli.Context, client *operatorapi.Client) error {
	err := get(l, c, client, "/status", func(s status.Status, w io.Writer) {
		state := s.State
		if state == "ready" {
			state = "serving"
		}
		fmt.Fprintf(w, "gonicorn %s, pid %d\t%s\n", s.Version, s.PID, state)
		fmt.Fprintf(w, "app\t%s\n", s.App)
		fmt.Fprintf(w, "listening at\t%s\n", strings.Join(s.Bind, ", "))
		fmt.Fprintf(w, "workers\t%d of %d ready, generation %d, %d restarts\n", s.Ready, s.Wanted, s.Generation, s.Restarts)
		if s.LastReload != "" {
			fmt.Fprintf(w, "last reload failed\t%s\n", s.LastReload)
		}
		if s.LastNote != "" {
			fmt.Fprintf(w, "last reload\t%s\n", s.LastNote)
		}
		if t := s.Trial; t != nil {
			fmt.Fprintf(w, "canary\tgeneration %d, %s of %s, %d answers, %d of them 5xx, half within %s in the app (others %s)\n", t.Generation,
				t.Age.Round(time.Second), t.For, t.Answers, t.Errors, t.P50.Round(10*time.Microsecond), t.OthersP50.Round(10*time.Microsecond))
		}
		if s.Stale != "" {
			fmt.Fprintf(w, "workers are not replaced\t%s; mend the code and reload\n", s.Stale)
		}
		fmt.Fprintln(w)
		listWorkers(s.Workers, w)
	})
	if err != nil || !c.Bool("ready") {
		return err
	}
	var s status.Status
	if err := client.Get(c.Context, "/status", &s); err != nil {
		return err
	}
	if s.Ready == 0 {
		return errNoneReady
	}
	return nil
}

// errNoneReady is the error of status --ready if no worker takes requests.
var errNoneReady = errors.New("no worker takes requests; see: gonicorn logs")

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/gonicorn/gonicorn/internal/operatorapi"
	"github.com/gonicorn/gonicorn/internal/status"
	ucli "github.com/urfave/cli/v2"
)

const (
	lookEvery = 100 * time.Millisecond
	doneTime  = 2 * time.Minute // that workers may take to start, or to finish
)

func (l *commandLine) post(c *ucli.Context, client *operatorapi.Client, path string, body any, done string) error {
	if err := client.Post(c.Context, path, body); err != nil {
		return fmt.Errorf("%s: %w", c.Command.Name, err)
	}
	fmt.Fprintln(l.stdout, done)
	return nil
}

// get shows an answer as JSON, or as text with show.
func get[T any](l *commandLine, c *ucli.Context, client *operatorapi.Client, path string, show func(T, io.Writer)) error {
	if c.Bool("json") {
		var raw json.RawMessage
		if err := client.Get(c.Context, path, &raw); err != nil {
			return err
		}
		fmt.Fprintln(l.stdout, string(raw))
		return nil
	}
	var got T
	if err := client.Get(c.Context, path, &got); err != nil {
		return err
	}
	table := tabwriter.NewWriter(l.stdout, 0, 0, 2, ' ', 0)
	show(got, table)
	return table.Flush() // to a terminal
}

func dash(d time.Duration) string {
	if d <= 0 {
		return "-"
	}
	return d.Round(time.Millisecond).String()
}

// until waits until so returns true for the status.
func (l *commandLine) until(c *ucli.Context, client *operatorapi.Client, done string, so func(status.Status) bool) error {
	ctx, cancel := context.WithTimeout(c.Context, doneTime)
	defer cancel()
	pause := time.NewTicker(lookEvery)
	defer pause.Stop()
	for {
		var s status.Status
		if err := client.Get(ctx, "/status", &s); err != nil {
			if ctx.Err() != nil {
				break
			}
			return fmt.Errorf("%s: requested, but its outcome is unknown: %w", c.Command.Name, err)
		}
		if so(s) {
			fmt.Fprintln(l.stdout, done)
			return nil
		}
		select {
		case <-pause.C:
			continue
		case <-ctx.Done():
		}
		break
	}
	return fmt.Errorf("%s: not done within %s, and still in progress; see gonicorn status", c.Command.Name, doneTime)
}

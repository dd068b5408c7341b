package cli

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gonicorn/gonicorn/internal/operatorapi"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/status"
	ucli "github.com/urfave/cli/v2"
)

// stop returns when gonicorn has gone.
func (l *commandLine) stop(c *ucli.Context, client *operatorapi.Client, _ int) error {
	var before status.Status
	if err := client.Get(c.Context, "/status", &before); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	lines, err := client.Stream(c.Context, "/logs?follow=1")
	if err != nil {
		return err
	}
	defer lines.Close()
	if err := l.post(c, client, "/stop", nil, "stopping"); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, lines); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) { // ends with gonicorn
		return fmt.Errorf("stop: %w", err)
	}
	awaitEnd(before.PID)
	fmt.Fprintln(l.stdout, "stopped")
	return nil
}

// awaitEnd waits until a process that is about to end has exited. It does not
// wait until the process is reaped.
func awaitEnd(pid int) {
	for range doneTime / lookEvery {
		if _, err := proc.StartTicks(pid); err != nil || proc.Ended(pid) {
			return
		}
		time.Sleep(lookEvery)
	}
}

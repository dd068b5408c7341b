package cli

import (
	"context"
	"io"
	"time"

	"github.com/gonicorn/gonicorn/internal/operatorapi"
	"github.com/gonicorn/gonicorn/internal/status"
	ucli "github.com/urfave/cli/v2"
)

// upgrade returns when the old gonicorn has finished.
func (l *commandLine) upgrade(c *ucli.Context, client *operatorapi.Client) error {
	lines, err := client.Stream(c.Context, "/logs?follow=1")
	if err != nil {
		return err
	}
	defer lines.Close()
	if err := l.post(c, client, "/upgrade", nil, "the new gonicorn serves"); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, lines) // ends with the old one
	return l.answers(c, client)
}

// answers waits until the new gonicorn has taken over the control socket.
func (l *commandLine) answers(c *ucli.Context, client *operatorapi.Client) error {
	ctx, cancel := context.WithTimeout(c.Context, doneTime)
	defer cancel()
	pause := time.NewTicker(lookEvery)
	defer pause.Stop()
	for {
		err := client.Get(ctx, "/status", &status.Status{})
		if err == nil || ctx.Err() != nil {
			return err
		}
		if c.String("control-socket") == "" {
			return nil // its socket has its own pid in the name
		}
		<-pause.C
	}
}

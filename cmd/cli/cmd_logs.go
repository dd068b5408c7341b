package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/gonicorn/gonicorn/internal/operatorapi"
	ucli "github.com/urfave/cli/v2"
)

func (l *commandLine) logs(c *ucli.Context, client *operatorapi.Client) error {
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt, syscall.SIGTERM)
	defer stop()
	path := "/logs"
	if c.Bool("follow") {
		path += "?follow=1"
	}
	lines, err := client.Stream(ctx, path)
	if err != nil {
		return err
	}
	defer lines.Close()
	if _, err := io.Copy(l.stdout, lines); err != nil && !errors.Is(err, context.Canceled) && ctx.Err() == nil {
		return fmt.Errorf("read log: %w", err)
	}
	return nil
}

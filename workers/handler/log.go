package handler

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/gonicorn/gonicorn/internal/logging"
)

// newLog returns the log for the worker's own lines. The arbiter reads them and
// adds the time. last is the descriptor of the error log for when the arbiter is
// gone; -1 is none.
func newLog(w io.Writer, last int) *slog.Logger {
	return slog.New(logging.Survivor(undated{logging.NewHandler(w, logging.Options{})},
		logging.NewHandler(logging.Descriptor(last), logging.Options{})))
}

// undated leaves the time out of records.
type undated struct{ to slog.Handler }

// Enabled implements slog.Handler.
func (h undated) Enabled(ctx context.Context, l slog.Level) bool { return h.to.Enabled(ctx, l) }

// Handle implements slog.Handler.
func (h undated) Handle(ctx context.Context, r slog.Record) error {
	r.Time = time.Time{}
	return h.to.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h undated) WithAttrs(attrs []slog.Attr) slog.Handler { return undated{h.to.WithAttrs(attrs)} }

// WithGroup implements slog.Handler.
func (h undated) WithGroup(name string) slog.Handler { return undated{h.to.WithGroup(name)} }

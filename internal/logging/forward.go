package logging

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// Line is a record for a log that stores time and level itself.
type Line struct {
	Level   slog.Level
	Message string
	Fields  map[string]string
	Text    string // message and fields
}

// NewForward returns a handler that passes every record to send, which must not
// block.
func NewForward(level slog.Leveler, send func(Line)) slog.Handler {
	return &forward{level: level, send: send}
}

type forward struct {
	level slog.Leveler
	send  func(Line)
	group string
	attrs []slog.Attr // the keys include the groups
}

// Enabled implements slog.Handler.
func (h *forward) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

// Handle implements slog.Handler.
func (h *forward) Handle(_ context.Context, r slog.Record) error {
	line := Line{Level: r.Level, Message: r.Message, Fields: map[string]string{}}
	b := appendMessage(nil, r.Message)
	var trace traceback
	add := func(group string, a slog.Attr) {
		switch t := a.Value.Any().(type) {
		case asIs:
			return
		case traceback:
			trace = t
			return
		}
		b = appendAttr(b, group, a)
		if value := a.Value.Resolve(); value.Kind() != slog.KindGroup {
			line.Fields[group+a.Key] = value.String()
		}
	}
	for _, a := range h.attrs {
		add("", a)
	}
	r.Attrs(func(a slog.Attr) bool {
		add(h.group, a)
		return true
	})
	if trace != "" {
		b = trace.append(b)
		line.Message += "\n" + strings.TrimRight(string(trace), "\n")
	}
	line.Text = strings.ReplaceAll(string(b), "\n", "\n    ")
	h.send(line)
	return nil
}

// WithAttrs implements slog.Handler.
func (h *forward) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.attrs = slices.Clone(h.attrs)
	for _, a := range attrs {
		a.Key = h.group + a.Key
		next.attrs = append(next.attrs, a)
	}
	return &next
}

// WithGroup implements slog.Handler.
func (h *forward) WithGroup(name string) slog.Handler {
	next := *h
	next.group += name + "."
	return &next
}

// All returns a handler that passes every record to all of these.
func All(handlers ...slog.Handler) slog.Handler {
	if len(handlers) == 1 {
		return handlers[0]
	}
	return all(handlers)
}

type all []slog.Handler

// Enabled implements slog.Handler.
func (a all) Enabled(ctx context.Context, l slog.Level) bool {
	return slices.ContainsFunc(a, func(h slog.Handler) bool { return h.Enabled(ctx, l) })
}

// Handle implements slog.Handler.
func (a all) Handle(ctx context.Context, r slog.Record) error {
	var errs []error
	for _, h := range a {
		if h.Enabled(ctx, r.Level) {
			errs = append(errs, h.Handle(ctx, r.Clone()))
		}
	}
	return errors.Join(errs...)
}

// WithAttrs implements slog.Handler.
func (a all) WithAttrs(attrs []slog.Attr) slog.Handler {
	return a.each(func(h slog.Handler) slog.Handler { return h.WithAttrs(attrs) })
}

// WithGroup implements slog.Handler.
func (a all) WithGroup(name string) slog.Handler {
	return a.each(func(h slog.Handler) slog.Handler { return h.WithGroup(name) })
}

func (a all) each(do func(slog.Handler) slog.Handler) slog.Handler {
	next := make(all, len(a))
	for i, h := range a {
		next[i] = do(h)
	}
	return next
}

// Queue calls send for lines in a goroutine of its own, so that put never blocks.
// Lines that do not fit into the queue are lost. closed sends the lines that wait, for
// at most a second.
func Queue(length int, send func(Line)) (put func(Line), closed func()) {
	lines, done := make(chan Line, length), make(chan struct{})
	go func() {
		defer close(done)
		for l := range lines {
			send(l)
		}
	}()
	put = func(l Line) {
		select {
		case lines <- l:
		default:
		}
	}
	return put, func() {
		close(lines)
		late := time.NewTimer(time.Second)
		defer late.Stop()
		select {
		case <-done:
		case <-late.C:
		}
	}
}

package logging

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// text is the handler for lines in Gunicorn's format.
type text struct {
	w      io.Writer
	o      Options
	group  string // ends with a dot
	suffix []byte // attributes, formatted once
}

const (
	reset  = "\x1b[0m"
	faint  = "\x1b[2m"
	red    = "\x1b[31m"
	yellow = "\x1b[33m"
	cyan   = "\x1b[36m"
	bold   = "\x1b[1;31m"
)

func colorOf(l slog.Level) string {
	switch {
	case l < slog.LevelInfo:
		return faint
	case l < slog.LevelWarn:
		return cyan
	case l < slog.LevelError:
		return yellow
	case l < LevelCritical:
		return red
	}
	return bold
}

// Enabled implements slog.Handler.
func (h *text) Enabled(_ context.Context, l slog.Level) bool { return l >= h.o.Level.Level() }

// Handle implements slog.Handler.
func (h *text) Handle(_ context.Context, r slog.Record) error {
	if isAsIs(r) {
		return writeLine(h.w, r.Message)
	}
	b := make([]byte, 0, 256)
	var trace traceback
	if h.o.Color {
		b = append(b, faint...)
	}
	if !r.Time.IsZero() {
		b = appendTime(b, r.Time)
	}
	b = append(b, '[')
	b = strconv.AppendInt(b, int64(h.o.PID), 10)
	b = append(b, "] "...)
	if h.o.Color {
		b = append(append(b, reset...), colorOf(r.Level)...)
	}
	b = append(append(append(b, '['), levelName(r.Level)...), ']')
	if h.o.Color {
		b = append(b, reset...)
	}
	b = appendMessage(append(b, ' '), r.Message)
	if h.o.Color && (len(h.suffix) > 0 || r.NumAttrs() > 0) {
		b = append(b, faint...)
	}
	b = append(b, h.suffix...)
	r.Attrs(func(a slog.Attr) bool {
		if t, is := a.Value.Any().(traceback); is {
			trace = t
			return true
		}
		b = appendAttr(b, h.group, a)
		return true
	})
	if h.o.Color && (len(h.suffix) > 0 || r.NumAttrs() > 0) {
		b = append(b, reset...)
	}
	if trace != "" {
		b = trace.append(b)
	}
	if _, err := h.w.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("write log: %w", err)
	}
	return nil
}

func writeLine(w io.Writer, line string) error {
	if _, err := io.WriteString(w, line+"\n"); err != nil {
		return fmt.Errorf("write log: %w", err)
	}
	return nil
}

// WithAttrs implements slog.Handler.
func (h *text) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.suffix = slices.Clone(h.suffix)
	for _, a := range attrs {
		next.suffix = appendAttr(next.suffix, h.group, a)
	}
	return &next
}

// WithGroup implements slog.Handler.
func (h *text) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	next := *h
	next.group += name + "."
	return &next
}

// appendMessage escapes a message. gonicorn's own messages may have several lines; all
// but the first are indented.
func appendMessage(b []byte, message string) []byte {
	for i, line := range strings.Split(strings.TrimRight(message, "\n"), "\n") {
		if i > 0 {
			b = append(b, "\n    "...)
		}
		b = append(b, escape(line)...)
	}
	return b
}

func appendAttr(b []byte, group string, a slog.Attr) []byte {
	a.Value = a.Value.Resolve()
	if a.Equal(slog.Attr{}) {
		return b
	}
	if a.Value.Kind() == slog.KindGroup {
		if a.Key != "" {
			group += a.Key + "."
		}
		for _, inner := range a.Value.Group() {
			b = appendAttr(b, group, inner)
		}
		return b
	}
	b = append(append(b, ' '), escape(group+a.Key)...)
	return appendValue(append(b, '='), a.Value)
}

func appendValue(b []byte, v slog.Value) []byte {
	var s string
	switch v.Kind() {
	case slog.KindTime:
		s = v.Time().Format(time.RFC3339Nano)
	case slog.KindAny:
		if err, ok := v.Any().(error); ok {
			s = err.Error()
			break
		}
		s = fmt.Sprintf("%+v", v.Any())
	default:
		s = v.String()
	}
	if needsQuotes(s) {
		return strconv.AppendQuote(b, s)
	}
	return append(b, s...)
}

func needsQuotes(s string) bool {
	if s == "" || !utf8.ValidString(s) {
		return true
	}
	return strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r == '"' || r == '=' || unsafeRune(r) || !strconv.IsPrint(r)
	})
}

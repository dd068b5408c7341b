package logging

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"
)

// Options say how lines look.
type Options struct {
	JSON  bool
	Color bool         // text: see Sink.Color
	Level slog.Leveler // lower levels are left out; a *slog.LevelVar can change at run time; nil is info
	PID   int          // of the writer; 0 is this process
}

// NewHandler returns a handler that writes records in Gunicorn's format or as JSON.
// Each record is one Write to w, which must be safe for concurrent use.
//
//	[2026-11-20 22:05:00 +0000] [4711] [INFO] worker ready worker=1 after=31ms
//
// A message may have several lines. All but the first are indented, so that they do
// not look like records.
func NewHandler(w io.Writer, o Options) slog.Handler {
	if o.Level == nil {
		o.Level = slog.LevelInfo
	}
	if o.PID == 0 {
		o.PID = os.Getpid()
	}
	if o.JSON {
		return newJSON(w, o)
	}
	return &text{w: w, o: o}
}

// jsonHandler adds the writer's pid to records that have no pid of their own. Records
// about a worker have one.
type jsonHandler struct {
	slog.Handler
	w   io.Writer
	pid int // 0 once an attribute names one
}

func newJSON(w io.Writer, o Options) slog.Handler {
	return &jsonHandler{pid: o.PID, w: w, Handler: slog.NewJSONHandler(safeJSON{w}, &slog.HandlerOptions{
		Level: o.Level,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			switch {
			case len(groups) == 0 && a.Key == slog.LevelKey:
				if l, ok := a.Value.Any().(slog.Level); ok {
					a.Value = slog.StringValue(strings.ToLower(levelName(l)))
				}
			case a.Value.Kind() == slog.KindDuration:
				a.Value = slog.StringValue(a.Value.Duration().String())
			}
			return a
		},
	})}
}

// safeJSON escapes the unsafe runes that the standard library's handler does not.
type safeJSON struct{ w io.Writer }

func (s safeJSON) Write(p []byte) (int, error) {
	if bytes.IndexFunc(p, unsafeInJSON) >= 0 {
		if _, err := s.w.Write(AppendJSON(make([]byte, 0, len(p)+64), p)); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	return s.w.Write(p)
}

func (h *jsonHandler) Handle(ctx context.Context, r slog.Record) error {
	if isAsIs(r) {
		return writeLine(h.w, r.Message)
	}
	named := h.pid == 0
	r.Attrs(func(a slog.Attr) bool {
		named = named || a.Key == "pid"
		return !named
	})
	if !named {
		r = r.Clone()
		r.AddAttrs(slog.Int("pid", h.pid))
	}
	return h.Handler.Handle(ctx, r)
}

func (h *jsonHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := &jsonHandler{Handler: h.Handler.WithAttrs(attrs), w: h.w, pid: h.pid}
	for _, a := range attrs {
		if a.Key == "pid" {
			next.pid = 0
		}
	}
	return next
}

func (h *jsonHandler) WithGroup(name string) slog.Handler {
	return &jsonHandler{Handler: h.Handler.WithGroup(name), w: h.w, pid: h.pid}
}

// timeFormat is Gunicorn's time format.
const timeFormat = "2006-01-02 15:04:05 -0700"

func appendTime(b []byte, t time.Time) []byte {
	b = append(b, '[')
	b = t.AppendFormat(b, timeFormat)
	return append(b, "] "...)
}

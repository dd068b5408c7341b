package logging

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// Record is what a process has written: one line, or several that belong
// together.
type Record struct {
	Level     slog.Level
	Message   string
	Logger    string // name of the Python logger; empty for printed text
	Traceback string // Python's, as lines; empty for none
	AsIs      bool   // it is a JSON object of the app, to which nothing is added
}

// recordMark begins a line in which the Python runner sends a record of Python's
// logging, as JSON. It is no risk if a program prints such a line itself: it could
// print the same text without the mark.
const recordMark = "\x1e"

const (
	tracebackTime  = 50 * time.Millisecond // until the next part of a traceback must follow
	tracebackLimit = 2000                  // lines of one traceback
)

// Log writes the record.
func (r Record) Log(log *slog.Logger) {
	var attrs []slog.Attr
	if r.Logger != "" {
		attrs = append(attrs, slog.String("logger", r.Logger))
	}
	if r.Traceback != "" {
		attrs = append(attrs, slog.Any(tracebackKey, traceback(r.Traceback)))
	}
	if r.AsIs {
		r.Message = escape(r.Message)
		attrs = append(attrs, slog.Any("", asIs{}))
	}
	log.LogAttrs(context.Background(), r.Level, r.Message, attrs...)
}

// parseRecord parses a line without its mark.
func parseRecord(text string) (Record, bool) {
	var said struct {
		Level, Msg, Logger, Exc string
		AsIs                    bool `json:"as_is"`
	}
	if json.Unmarshal([]byte(text), &said) != nil {
		return Record{}, false
	}
	level, err := ParseLevel(said.Level)
	if err != nil {
		return Record{}, false
	}
	return Record{Level: level, Message: said.Msg, Logger: said.Logger, Traceback: said.Exc, AsIs: said.AsIs}, true
}

// grouper makes one record of the lines of a printed traceback. It passes on each
// other line as a record.
type grouper struct {
	emit func(Record)

	mu    sync.Mutex
	state groupState
	lines []string
	timer *time.Timer // ends a traceback if no more lines follow
}

type groupState int

const (
	outside groupState = iota
	inFrames
	behindError // after the line that names the exception
	behindGap   // after the empty line that follows it
	inCause     // after a line that says that another traceback follows
)

// record takes a marked record.
func (g *grouper) record(r Record) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.flush()
	g.emit(r)
}

// put takes a line.
func (g *grouper) put(line string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state != outside && !g.goesOn(line) {
		g.flush()
	}
	if g.state == outside {
		if !startsTraceback(line) {
			g.emit(Record{Level: slog.LevelInfo, Message: line, AsIs: isObject(line)})
			return
		}
		g.state = inFrames
	}
	g.lines = append(g.lines, line)
	if len(g.lines) >= tracebackLimit {
		g.flush()
		return
	}
	wait := tracebackTime
	if g.state == inFrames {
		wait = 20 * tracebackTime
	}
	if g.timer == nil {
		g.timer = time.AfterFunc(wait, g.late)
		return
	}
	g.timer.Reset(wait)
}

func startsTraceback(line string) bool {
	return line == "Traceback (most recent call last):" || line == "  + Exception Group Traceback (most recent call last):"
}

// goesOn reports whether a line belongs to the traceback, and updates the state.
func (g *grouper) goesOn(line string) bool {
	switch g.state {
	case inFrames:
		if line != "" && line[0] != ' ' && line[0] != '\t' {
			g.state = behindError
		}
		return true
	case behindError:
		if line == "" {
			g.state = behindGap
		}
		return line == ""
	case behindGap:
		g.state = inCause
		return strings.HasPrefix(line, "During handling of the above exception, another") ||
			strings.HasPrefix(line, "The above exception was the direct cause of")
	case inCause:
		if startsTraceback(line) {
			g.state = inFrames
			return true
		}
		return line == ""
	}
	return false
}

// late ends a traceback after which nothing came in time.
func (g *grouper) late() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.flush()
}

// end passes on the lines that are left.
func (g *grouper) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.flush()
	if g.timer != nil {
		g.timer.Stop()
	}
}

func (g *grouper) flush() {
	if len(g.lines) == 0 {
		return
	}
	lines := g.lines
	g.state, g.lines = outside, nil
	for len(lines) > 1 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	g.emit(Record{Level: slog.LevelError, Message: strings.TrimLeft(lines[len(lines)-1], " |+"), Traceback: strings.Join(lines, "\n")})
}

// isObject reports whether a line is a JSON object.
func isObject(line string) bool {
	return strings.HasPrefix(line, "{") && strings.HasSuffix(line, "}") && json.Valid([]byte(line))
}

const tracebackKey = "traceback"

// traceback is an attribute that is written unchanged on the lines after its record,
// or into its JSON object.
type traceback string

// MarshalText implements encoding.TextMarshaler.
func (t traceback) MarshalText() ([]byte, error) { return []byte(t), nil }

// String is the text.
func (t traceback) String() string { return string(t) }

// append adds the lines so that none can control a terminal or look like a record.
func (t traceback) append(b []byte) []byte {
	for line := range strings.SplitSeq(strings.TrimRight(string(t), "\n"), "\n") {
		b = append(b, '\n')
		if strings.HasPrefix(line, "[") || strings.HasPrefix(line, "{") {
			b = append(b, ' ')
		}
		b = append(b, escape(line)...)
	}
	return b
}

// asIs marks a record as an attribute: only its message is written.
type asIs struct{}

func (asIs) String() string { return "" }

// isAsIs reports whether a record has the attribute asIs.
func isAsIs(r slog.Record) (is bool) {
	r.Attrs(func(a slog.Attr) bool {
		_, is = a.Value.Any().(asIs)
		return !is
	})
	return is
}

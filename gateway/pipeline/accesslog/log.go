package accesslog

import (
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
)

// Sink takes lines without ever waiting (internal/logging.Sink does).
type Sink interface {
	io.Writer
	Reopen() error
	Close() error
}

// Log writes the lines of one format to one or several sinks. It is safe for
// concurrent use.
type Log struct {
	format Format
	sinks  []Sink
	pool   sync.Pool
	// Without are paths whose requests are not logged. A path that ends with * is a
	// prefix. Set it before the first request.
	Without []string
}

// New makes a log; Close closes the sinks.
func New(format Format, sinks ...Sink) *Log {
	return &Log{format: format, sinks: sinks, pool: sync.Pool{New: func() any { b := make([]byte, 0, 512); return &b }}}
}

// Log writes the line of one request.
func (l *Log) Log(e *Entry) {
	if len(l.Without) > 0 && l.omits(e.Request.Path) {
		return
	}
	buf := l.pool.Get().(*[]byte)
	b := (*buf)[:0]
	for _, part := range l.format {
		b = part(b, e)
	}
	for _, s := range l.sinks {
		_, _ = s.Write(b) // a sink counts what it drops
	}
	*buf = b
	l.pool.Put(buf)
}

func (l *Log) omits(path string) bool {
	return slices.ContainsFunc(l.Without, func(pattern string) bool {
		if start, is := strings.CutSuffix(pattern, "*"); is {
			return strings.HasPrefix(path, start)
		}
		return path == pattern
	})
}

// Reopen opens the files again.
func (l *Log) Reopen() error {
	var all error
	for _, s := range l.sinks {
		all = errors.Join(all, s.Reopen())
	}
	return all
}

// Close writes what is left and closes the sinks.
func (l *Log) Close() error {
	var all error
	for _, s := range l.sinks {
		all = errors.Join(all, s.Close())
	}
	return all
}

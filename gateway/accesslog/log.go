package accesslog

import (
	"errors"
	"io"
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
}

// New makes a log; Close closes the sinks.
func New(format Format, sinks ...Sink) *Log {
	return &Log{format: format, sinks: sinks, pool: sync.Pool{New: func() any { b := make([]byte, 0, 512); return &b }}}
}

// Log writes the line of one request.
func (l *Log) Log(e *Entry) {
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

// Reopen opens the files anew.
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

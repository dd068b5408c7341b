package logging

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

const (
	maxLine  = 16 << 10 // bytes; a longer line is split
	tailSize = 20       // lines
	tailLine = 4 << 10  // bytes of each that the tail keeps
)

// Lines reads what a process prints, line by line.
type Lines struct {
	r    io.ReadCloser
	done chan struct{}

	record func(Record) // takes marked records; if nil, they are lines like others

	mu   sync.Mutex
	tail []string
}

// NewLines starts reading r, and calls emit from one goroutine with each line, without
// its newline. Invalid UTF-8 and control characters are escaped, so that a line cannot
// look like several or control a terminal. A line of more than 16 KiB comes in pieces.
// The last line needs no newline. While emit blocks, nothing is read, and the process
// blocks in its write.
//
// r is closed at its end, or by Close. Its own Close must end a Read in progress: that
// of an os.File does if the descriptor is non-blocking.
func NewLines(r io.ReadCloser, emit func(line string)) *Lines {
	l := &Lines{r: r, done: make(chan struct{})}
	go func() {
		defer close(l.done)
		defer r.Close()
		l.read(emit)
	}()
	return l
}

// NewRecords is like NewLines, for programs that print Python tracebacks, records of
// Python's logging (see recordMark) or JSON objects. Each of these is one record. emit
// is called by one goroutine at a time.
func NewRecords(r io.ReadCloser, emit func(Record)) *Lines {
	g := &grouper{emit: emit}
	l := &Lines{r: r, done: make(chan struct{}), record: g.record}
	go func() {
		defer close(l.done)
		defer g.end()
		defer r.Close()
		l.read(g.put)
	}()
	return l
}

// Tail returns the last 20 lines, cut at 4 KiB each.
func (l *Lines) Tail() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.tail)
}

// Done is closed when everything has been read and emitted.
func (l *Lines) Done() <-chan struct{} { return l.done }

// Close stops reading. Output that was not read is lost. Closing twice, or after the
// end, does no harm.
func (l *Lines) Close() error {
	if err := l.r.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		return fmt.Errorf("stop reading output: %w", err)
	}
	return nil
}

func (l *Lines) read(emit func(string)) {
	buf := make([]byte, 0, 1<<10)
	for {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, min(cap(buf), maxLine-len(buf)))
		}
		n, err := l.r.Read(buf[len(buf):min(cap(buf), maxLine)])
		buf = buf[:len(buf)+n]
		buf = buf[:copy(buf, l.split(buf, emit))]
		if err != nil {
			if len(buf) > 0 {
				l.line(buf, emit)
			}
			return
		}
	}
}

// split emits the complete lines in b and returns the rest.
func (l *Lines) split(b []byte, emit func(string)) (rest []byte) {
	for {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			break
		}
		l.line(b[:i], emit)
		b = b[i+1:]
	}
	if len(b) < maxLine {
		return b
	}
	cut := len(b)
	for back := 1; back < utf8.UTFMax; back++ { // not within a rune
		if utf8.RuneStart(b[len(b)-back]) {
			if !utf8.FullRune(b[len(b)-back:]) {
				cut = len(b) - back
			}
			break
		}
	}
	l.line(b[:cut], emit)
	return b[cut:]
}

func (l *Lines) line(b []byte, emit func(string)) {
	text := string(bytes.TrimSuffix(b, []byte{'\r'}))
	if rest, marked := strings.CutPrefix(text, recordMark); marked && l.record != nil {
		if record, ok := parseRecord(rest); ok {
			l.keep(escape(record.Message))
			l.record(record)
			return
		}
	}
	line := escape(text)
	l.keep(line)
	emit(line)
}

// keep adds a line to the tail.
func (l *Lines) keep(line string) {
	l.mu.Lock()
	if len(l.tail) == tailSize {
		l.tail = append(l.tail[:0], l.tail[1:]...)
	}
	l.tail = append(l.tail, strings.ToValidUTF8(line[:min(len(line), tailLine)], ""))
	l.mu.Unlock()
}

package logging

import (
	"bytes"
	"fmt"
	"os"
)

// run is the sink's goroutine. Only it writes to and closes out.
func (s *Sink) run(out *output) {
	defer close(s.ended)
	defer func() { out.close() }()
	var batch []byte
	for {
		var more bool
		var next *output
		batch, next, more = s.take(batch[:0])
		if next != nil {
			out.close()
			out = next
		}
		if !more {
			return
		}
		s.wrote(batch, out.write(batch))
		if cap(batch) > queueBytes/4 {
			batch = nil // keep no large buffer after a burst
		}
	}
}

// take waits for lines or a new file, and swaps the queue for an empty one. more is
// false once the sink is closed and everything is written.
func (s *Sink) take(empty []byte) (batch []byte, next *output, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) == 0 && s.next == nil && !s.closed {
		s.cond.Wait()
	}
	next, s.next = s.next, nil
	batch, s.queue = s.queue, empty
	s.writing = len(batch) > 0
	s.cond.Broadcast() // there is room
	return batch, next, len(batch) > 0 || !s.closed
}

// wrote records the result of a write.
func (s *Sink) wrote(batch []byte, err error) {
	switch {
	case err != nil:
		s.lose(bytes.Count(batch, []byte{'\n'}), err)
	case len(batch) > 0:
		s.recover()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing = false
	s.cond.Broadcast()
}

// lose counts lines that could not be written, and reports that once on stderr.
func (s *Sink) lose(lines int, err error) {
	s.mu.Lock()
	first := s.failed == nil
	s.failed = err
	s.dropped += lines
	s.mu.Unlock()
	if first && !isStd(s.path) {
		fmt.Fprintf(os.Stderr, "gonicorn: cannot write log %s: %v; lines are lost until it can be\n", s.path, err)
	}
}

// recover reports lost lines, after a successful write that left the queue empty, so
// that there is room for the report.
func (s *Sink) recover() {
	s.mu.Lock()
	lost, why, log := s.dropped, s.failed, s.log
	if lost > 0 && log != nil && len(s.queue) > 0 {
		s.mu.Unlock()
		return
	}
	s.failed = nil
	if log != nil {
		s.dropped = 0
	}
	s.mu.Unlock()
	switch {
	case log == nil || lost == 0:
	case why != nil:
		log.Warn("lines of this log were lost: it could not be written", "lines", lost, "error", why)
	default:
		log.Warn("lines of this log were lost: it is written too slowly", "lines", lost)
	}
}

package logging

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

const (
	queueBytes = 1 << 20         // of waiting lines
	closeTime  = 2 * time.Second // how long Close waits until they are written
)

var errClosed = errors.New("the log is closed")

// Sink is a log file with a queue. Write, which never blocks, and WriteBlocking add
// lines to the queue. A goroutine writes them to the file, with as few system calls as
// possible. All methods may be called from any goroutine.
type Sink struct {
	o    SinkOptions
	path string

	mu      sync.Mutex
	cond    *sync.Cond // the queue, next, closed or writing has changed
	queue   []byte
	next    *output // opened by Reopen, not yet taken by the writer
	writing bool    // the writer has taken lines and not written all of them yet
	closed  bool
	dropped int   // lines lost since the last report
	failed  error // error of the last write
	log     *slog.Logger
	ended   chan struct{}
}

// SinkOptions say how to open a log.
type SinkOptions struct {
	UID, GID int // owner of the file; -1 does not change it
}

// Open opens the log at path for appending, and creates it if necessary; "-" is
// stderr. The caller closes it.
func Open(path string, o SinkOptions) (*Sink, error) {
	out, err := openOutput(path, o)
	if err != nil {
		return nil, err
	}
	s := &Sink{o: o, path: path, ended: make(chan struct{})}
	s.cond = sync.NewCond(&s.mu)
	go s.run(out)
	return s, nil
}

// ReportTo sets a logger on top of this sink. It reports lost lines once there is room
// again.
func (s *Sink) ReportTo(log *slog.Logger) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = log
}

// Write queues a line. If the queue is full, the line is dropped and counted. It never
// blocks and never fails: the arbiter could not do anything about an error.
func (s *Sink) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.queue) > 0 && len(s.queue)+len(line) > queueBytes {
		s.dropped++
		return len(line), nil
	}
	s.push(line)
	return len(line), nil
}

// WriteBlocking queues a line, and waits for room if necessary. So a worker that
// prints faster than the disk writes blocks on its pipe. Half of the queue is reserved
// for Write. It fails if the log is closed.
func (s *Sink) WriteBlocking(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed && len(s.queue) > 0 && len(s.queue)+len(line) > queueBytes/2 {
		s.cond.Wait()
	}
	if s.closed {
		return 0, fmt.Errorf("write log: %w", errClosed)
	}
	s.push(line)
	return len(line), nil
}

// Blocking returns the sink as a writer whose Write is WriteBlocking.
func (s *Sink) Blocking() io.Writer { return blocking{s} }

type blocking struct{ s *Sink }

func (b blocking) Write(line []byte) (int, error) { return b.s.WriteBlocking(line) }

func (s *Sink) push(line []byte) {
	s.queue = append(s.queue, line...)
	s.cond.Broadcast()
}

// Reopen opens the file again, for example after a rotation. Later lines go to the new
// file. If that cannot be opened, the old one stays in use.
func (s *Sink) Reopen() error {
	out, err := openOutput(s.path, s.o)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		out.close()
		return fmt.Errorf("reopen log: %w", errClosed)
	}
	if s.next != nil {
		s.next.close()
	}
	s.next = out
	s.cond.Broadcast()
	return nil
}

// Flush waits until all queued lines are written, or ctx ends.
func (s *Sink) Flush(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.cond.Broadcast()
	})
	defer stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) > 0 || s.writing {
		if ctx.Err() != nil {
			return fmt.Errorf("flush log: %w", context.Cause(ctx))
		}
		s.cond.Wait()
	}
	if s.failed != nil {
		return fmt.Errorf("flush log: %w", s.failed)
	}
	return nil
}

// Close writes the queued lines, for at most two seconds, and closes the file. Closing
// twice does no harm.
func (s *Sink) Close() error {
	s.mu.Lock()
	s.closed = true
	s.cond.Broadcast()
	s.mu.Unlock()
	bound := time.NewTimer(closeTime)
	defer bound.Stop()
	select {
	case <-s.ended:
		return nil
	case <-bound.C:
		return fmt.Errorf("close log %s: its reader is stuck: %w", s.path, os.ErrDeadlineExceeded)
	}
}

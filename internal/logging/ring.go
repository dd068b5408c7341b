package logging

import (
	"bytes"
	"context"
	"io"
	"sync"
)

const (
	ringLines = 500
	ringQueue = 1000 // lines that may wait for a reader
)

// Ring keeps the last lines that were written to a log, for gonicorn logs. It is safe
// for concurrent use, and never waits for a reader.
type Ring struct {
	mu      sync.Mutex
	lines   [ringLines][]byte
	next    int
	readers map[chan []byte]struct{}
}

// NewRing makes an empty ring.
func NewRing() *Ring { return &Ring{readers: map[chan []byte]struct{}{}} }

// Tee returns a writer that writes to w and into the ring. Each Write must be one
// line.
func (r *Ring) Tee(w io.Writer) io.Writer { return tee{r, w} }

type tee struct {
	ring *Ring
	w    io.Writer
}

// Write implements io.Writer.
func (t tee) Write(line []byte) (int, error) {
	t.ring.add(line)
	return t.w.Write(line) // the log's own error
}

func (r *Ring) add(line []byte) {
	line = bytes.Clone(line)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines[r.next%ringLines] = line
	r.next++
	for reader := range r.readers {
		select {
		case reader <- line:
		default: // the reader is too slow and misses the line
		}
	}
}

// Read sends the last kept lines, and then, with follow, new lines until ctx ends.
func (r *Ring) Read(ctx context.Context, last int, follow bool) <-chan []byte {
	out := make(chan []byte, ringQueue)
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := max(0, r.next-min(last, ringLines)); i < r.next; i++ {
		out <- r.lines[i%ringLines]
	}
	if !follow {
		close(out)
		return out
	}
	r.readers[out] = struct{}{}
	context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.readers, out)
		close(out)
	})
	return out
}

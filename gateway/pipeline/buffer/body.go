// Package buffer keeps what slow clients send or have not taken yet: the beginning in
// memory, the rest in a file without a name. Both are bounded.
package buffer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/budget"
)

// inlineMost is how many bytes of a body are kept in memory.
const inlineMost = 64 << 10

// Options bound a request body.
type Options struct {
	Dir  string         // for temporary files; empty is the system's
	Max  int64          // bytes of a body; 0 is no bound
	Disk *budget.Budget // for bytes in temporary files of all bodies and spools; nil is no bound
	Wait time.Duration  // how long a body may wait for room there, in total

	Memory *Memory // for bodies of medium size; nil: they are in files
}

// Body is a whole request body. One of Inline and File is set. Release frees both.
type Body struct {
	Length int64
	Inline []byte
	Memory *gateway.Memory // has Inline; nil if it is only in this process
	File   *os.File        // the body starts at offset 0

	chunk  *chunk
	memory *memoryFile
	from   *Memory
	disk   *budget.Account // what File holds; nil without a bound
}

// chunk is memory that is used again.
type chunk struct{ p [inlineMost]byte }

var chunks = sync.Pool{New: func() any { return new(chunk) }} //nolint:gochecknoglobals // memory, not state

// ReadBody reads all of src. length is its length, or -1 if that is not known. Errors
// of src are returned as they are. If the body is longer than Options.Max, the error is
// a *gateway.BadRequest. It matches ErrFull if Options.Disk is used up, and ErrNoSpace
// if a file cannot be written.
func ReadBody(src io.Reader, length int64, o Options) (*Body, error) {
	if o.Max > 0 && length > o.Max {
		return nil, tooLarge()
	}
	b := &Body{chunk: chunks.Get().(*chunk)}
	n, err := io.ReadFull(src, b.chunk.p[:])
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		b.Inline, b.Length = b.chunk.p[:n], int64(n)
	case err != nil:
		b.Release(false)
		return nil, err
	default:
		if err := b.readLong(src, length, o); err != nil {
			b.Release(false)
			return nil, err
		}
	}
	if o.Max > 0 && b.Length > o.Max {
		b.Release(false)
		return nil, tooLarge()
	}
	if b.Length == 0 {
		b.Inline = nil
	}
	return b, nil
}

func tooLarge() error { return &gateway.BadRequest{Status: 413, Reason: "request body too large"} }

// readLong reads a body that fills the chunk, and maybe goes on in src. It goes into
// memory if it is of medium size and there is room for it, else into a file.
func (b *Body) readLong(src io.Reader, length int64, o Options) error {
	if o.Max > 0 {
		src = io.LimitReader(src, max(0, o.Max+1-inlineMost))
	}
	b.from = o.Memory
	got := b.chunk.p[:]
	for f := b.from.take(max(length, inlineMost+1)); f != nil; f = b.from.take(int64(len(got) + 1)) {
		n := copy(f.mem, got)
		b.drop(false)
		b.memory = f
		m, err := io.ReadFull(src, f.mem[n:])
		got = f.mem[:n+m]
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			b.Inline, b.Memory, b.Length = got, &f.Memory, int64(len(got))
			return nil
		case err != nil:
			return err
		}
	}
	return b.spill(got, src, o)
}

// spill writes the body into a file: first what was read already, then the rest of src.
func (b *Body) spill(got []byte, src io.Reader, o Options) (err error) {
	if b.File, err = tempFile(o.Dir); err != nil {
		return err
	}
	if o.Disk != nil {
		b.disk = o.Disk.Account()
	}
	out := &fileWriter{f: b.File, disk: b.disk, wait: o.Wait}
	if _, err = out.Write(got); err != nil {
		return err
	}
	if b.chunk == nil {
		b.drop(false)
		b.chunk = chunks.Get().(*chunk)
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{out}, struct{ io.Reader }{src}, b.chunk.p[:])
	if err != nil {
		return err
	}
	b.Length = int64(len(got)) + n
	b.drop(false)
	return nil
}

// drop gives the memory back. If it is lent, a worker may still read it.
func (b *Body) drop(lent bool) {
	if b.chunk != nil {
		chunks.Put(b.chunk)
		b.chunk = nil
	}
	if b.memory != nil {
		b.from.give(b.memory, lent)
		b.memory = nil
	}
}

// fileWriter writes to a file. Its errors differ from those of the source.
type fileWriter struct {
	f    *os.File
	disk *budget.Account // nil without a bound
	wait time.Duration   // how long it may still wait for room
}

func (w *fileWriter) Write(p []byte) (int, error) {
	if w.disk != nil && !w.disk.Try(int64(len(p))) {
		ctx, cancel := context.WithTimeoutCause(context.Background(), w.wait, ErrFull)
		defer cancel()
		began := time.Now()
		if err := w.disk.TakeWithin(ctx, int64(len(p))); err != nil {
			return 0, err
		}
		w.wait -= time.Since(began)
	}
	n, err := w.f.Write(p)
	if err != nil {
		return n, noSpace(err)
	}
	return n, nil
}

// Release frees the memory and closes the file. lent says that a worker may still read
// Memory.
func (b *Body) Release(lent bool) {
	b.drop(lent)
	b.Inline, b.Memory = nil, nil
	if b.File != nil {
		b.File.Close()
		b.File = nil
	}
	if b.disk != nil {
		b.disk.Close()
	}
}

// ErrFull says that the temporary files together have reached their limit.
var ErrFull = errors.New("temporary files hold as much as they may (max_buffer_total)")

// ErrNoSpace says that a temporary file could not be made or written.
var ErrNoSpace = errors.New("no room for a temporary file")

func noSpace(err error) error {
	return fmt.Errorf("buffer a body: %w: %w", err, ErrNoSpace)
}

// tempFile makes a file in a folder and removes its name.
func tempFile(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, ".gonicorn-")
	if err != nil {
		return nil, noSpace(err)
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, noSpace(err)
	}
	return f, nil
}

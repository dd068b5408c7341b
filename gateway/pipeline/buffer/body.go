// Package buffer keeps what slow clients send or have not taken yet: the
// beginning in memory, the rest in a file without a name, all of it bounded.
package buffer

import (
	"bytes"
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
	Dir  string         // of temporary files; empty is the system's
	Max  int64          // bytes of a body; 0 is no bound
	Disk *budget.Budget // of bytes in temporary files, of bodies and spools together; nil is no bound
	Wait time.Duration  // for room there, all waits of a body together
}

// Body is a whole request body: one of Inline and File. Release gives both
// back.
type Body struct {
	Length int64
	Inline []byte
	File   *os.File // from offset 0

	chunk *chunk
	disk  *budget.Account // what File holds; nil without a bound
}

// chunk is memory that is used again.
type chunk struct{ p [inlineMost]byte }

var chunks = sync.Pool{New: func() any { return new(chunk) }} //nolint:gochecknoglobals // memory, not state

// ReadBody reads all of src, whose length is known or -1. Errors of src are
// returned as they are; a body over Options.Max is a *gateway.BadRequest, a
// full disk matches ErrNoSpace.
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
		b.Release()
		return nil, err
	default:
		if err := b.spill(src, o); err != nil {
			b.Release()
			return nil, err
		}
	}
	if o.Max > 0 && b.Length > o.Max {
		b.Release()
		return nil, tooLarge()
	}
	if b.Length == 0 {
		b.Inline = nil
	}
	return b, nil
}

func tooLarge() error { return &gateway.BadRequest{Status: 413, Reason: "request body too large"} }

// spill goes on in a file behind what fills the memory.
func (b *Body) spill(src io.Reader, o Options) (err error) {
	if b.File, err = tempFile(o.Dir); err != nil {
		return err
	}
	if o.Max > 0 {
		src = io.LimitReader(src, max(0, o.Max+1-inlineMost))
	}
	in := io.MultiReader(bytes.NewReader(bytes.Clone(b.chunk.p[:])), src)
	if o.Disk != nil {
		b.disk = o.Disk.Account()
	}
	out := &fileWriter{f: b.File, disk: b.disk, wait: o.Wait}
	if b.Length, err = io.CopyBuffer(struct{ io.Writer }{out}, in, b.chunk.p[:]); err != nil {
		return err
	}
	chunks.Put(b.chunk)
	b.chunk = nil
	return nil
}

// fileWriter tells the errors of the file from those of the source.
type fileWriter struct {
	f    *os.File
	disk *budget.Account // nil without a bound
	wait time.Duration   // for room, from now on
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

// Release frees the memory and closes the file.
func (b *Body) Release() {
	if b.chunk != nil {
		chunks.Put(b.chunk)
		b.chunk, b.Inline = nil, nil
	}
	if b.File != nil {
		b.File.Close()
		b.File = nil
	}
	if b.disk != nil {
		b.disk.Close()
	}
}

// ErrFull says that all temporary files together hold as much as they may.
var ErrFull = errors.New("temporary files hold as much as they may (max_buffer_total)")

// ErrNoSpace says that a temporary file could not be made or written.
var ErrNoSpace = errors.New("no room for a temporary file")

func noSpace(err error) error {
	return fmt.Errorf("buffer a body: %w: %w", err, ErrNoSpace)
}

// tempFile makes a file without a name in a folder.
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

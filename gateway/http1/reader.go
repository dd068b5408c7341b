package http1

import (
	"errors"
	"io"
)

// ErrDry says that a source has nothing to read yet, and does not wait. The call that
// returned it may be repeated.
var ErrDry = errors.New("nothing to read yet")

// errFull says that a part of a message is longer than allowed.
var errFull = errors.New("buffer is full")

// Reader reads from a connection through a buffer that grows on demand, so that
// heads can be parsed in place. It is not safe for concurrent use.
type Reader struct {
	src  io.Reader
	buf  []byte
	r, w int // buf[r:w] is unread
}

// NewReader reads src through a buffer of initially size bytes.
func NewReader(src io.Reader, size int) *Reader {
	return &Reader{src: src, buf: make([]byte, size)}
}

// Buffered returns what has been read and neither returned by Read nor discarded. It
// is valid until the next Fill or Read.
func (b *Reader) Buffered() []byte { return b.buf[b.r:b.w] }

// Discard removes n bytes from the front of Buffered.
func (b *Reader) Discard(n int) { b.r += n }

// Fill reads once more, which makes Buffered longer. It fails if Buffered already has
// limit bytes.
func (b *Reader) Fill(limit int) error {
	if b.w-b.r >= limit {
		return errFull
	}
	b.room()
	n, err := b.src.Read(b.buf[b.w:])
	b.w += n
	if n > 0 {
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}

// growth returns how many bytes the next Fill adds to the buffer.
func (b *Reader) growth() int {
	if b.w < len(b.buf) || b.r == b.w || b.r > 0 && b.r >= len(b.buf)/2 {
		return 0
	}
	return max(512, 2*len(b.buf)) - len(b.buf)
}

// room makes space after what is buffered.
func (b *Reader) room() {
	if b.r == b.w {
		b.r, b.w = 0, 0
	}
	if b.w < len(b.buf) {
		return
	}
	into := b.buf
	if b.r == 0 || b.r < len(b.buf)/2 {
		into = make([]byte, max(512, 2*len(b.buf)))
	}
	b.w = copy(into, b.buf[b.r:b.w])
	b.buf, b.r = into, 0
}

// take removes the buffer, with what is in it.
func (b *Reader) take() []byte {
	p := b.buf
	b.buf, b.r, b.w = nil, 0, 0
	return p
}

// lend gives the Reader another buffer. What was buffered is lost.
func (b *Reader) lend(p []byte) { b.buf, b.r, b.w = p, 0, 0 }

// Read reads what is buffered, else from the source. Large reads bypass the buffer.
func (b *Reader) Read(p []byte) (int, error) {
	if b.r == b.w && len(p) >= len(b.buf) {
		return b.src.Read(p)
	}
	if b.r == b.w {
		if err := b.Fill(len(b.buf)); err != nil {
			return 0, err
		}
	}
	n := copy(p, b.buf[b.r:b.w])
	b.r += n
	return n, nil
}

package websocket

import (
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"io"
	"sync"
)

// tail is what the sender of a message takes off its end, and an empty final
// block so that the reader ends (RFC 7692 section 7.2.2).
const tail = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"

// ErrGone says that the client has left, while memory or time is short, and that
// the rest of what it sent is not taken.
var ErrGone = errors.New("the client has left")

var inflaters = sync.Pool{New: func() any { return flate.NewReader(nil) }}

// inflate hands on a compressed message, decompressing it as it is taken.
func (m *message) inflate() error {
	if m.size == 0 {
		return m.hand(true) // nothing is a message of nothing, as zlib has it
	}
	if sem := m.c.config.Inflating; sem != nil {
		select {
		case sem <- struct{}{}:
		case <-m.ctx.Done():
			return context.Cause(m.ctx)
		}
		defer func() { <-sem }()
		if len(sem) == cap(sem) && m.c.HungUp() { // others need the memory
			return ErrGone
		}
	}
	in := make([]io.Reader, 0, len(m.packed)+2)
	for _, p := range m.packed {
		in = append(in, bytes.NewReader(p[:]))
	}
	last := m.part
	defer parts.Put(last)
	in = append(in, bytes.NewReader(last[:m.n]), bytes.NewReader([]byte(tail)))
	m.part, m.n = parts.Get().(*[PartSize]byte), 0
	r := inflaters.Get().(io.ReadCloser)
	defer inflaters.Put(r)
	if err := r.(flate.Resetter).Reset(io.MultiReader(in...), nil); err != nil {
		return err
	}
	for {
		n, err := r.Read(m.part[m.n:])
		if n > 0 && m.text && !m.utf8.add(m.part[m.n:m.n+n]) {
			return errNotUTF8
		}
		m.n += n
		if most := m.c.config.MaxMessage; most > 0 && int64(m.given)+int64(m.n) > most {
			return &CloseError{Code: CodeTooBig, Reason: "message too big"}
		}
		switch {
		case errors.Is(err, io.EOF):
			if m.text && !m.utf8.done() {
				return errNotUTF8
			}
			return m.hand(true)
		case err != nil:
			return &CloseError{Code: CodeInvalidData, Reason: "compressed data"}
		case m.n == PartSize:
			if err := m.hand(false); err != nil {
				return err
			}
		}
	}
}

// deflater is a compressor and what it writes to.
type deflater struct {
	w   *flate.Writer
	out bytes.Buffer
}

var deflaters = sync.Pool{New: func() any {
	d := new(deflater)
	d.w, _ = flate.NewWriter(&d.out, flate.BestSpeed) // fails on an unknown level only
	return d
}}

// deflate compresses a message; the result is valid until release.
func deflate(p []byte) (packed []byte, release func()) {
	d := deflaters.Get().(*deflater)
	d.out.Reset()
	d.w.Reset(&d.out)
	_, _ = d.w.Write(p) // to memory
	_ = d.w.Flush()
	packed = bytes.TrimSuffix(d.out.Bytes(), []byte("\x00\x00\xff\xff"))
	return packed, func() { deflaters.Put(d) }
}

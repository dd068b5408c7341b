package websocket

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"sync"
)

// tail has the four bytes that the sender removes from the end of a message (RFC 7692
// section 7.2.2), and an empty final block, so that the reader ends.
const tail = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"

var inflaters = sync.Pool{New: func() any { return flate.NewReader(nil) }}

// beginInflating starts to decompress a complete message.
func (c *Conn) beginInflating() error {
	m := &c.message
	in := make([]io.Reader, 0, len(m.packed)+2)
	for _, p := range m.packed {
		in = append(in, bytes.NewReader(p[:]))
	}
	m.tail = m.part
	in = append(in, bytes.NewReader(m.tail[:m.n]), bytes.NewReader([]byte(tail)))
	m.part, m.n = parts.Get().(*[PartSize]byte), 0
	m.reader = inflaters.Get().(io.ReadCloser)
	m.waiting = inflating
	return m.reader.(flate.Resetter).Reset(io.MultiReader(in...), nil)
}

// inflateSome decompresses up to the end of a part, or of the message.
func (c *Conn) inflateSome() error {
	m := &c.message
	for m.waiting == inflating {
		n, err := m.reader.Read(m.part[m.n:])
		if n > 0 && m.text && !m.check.add(m.part[m.n:m.n+n]) {
			return errNotUTF8
		}
		m.n += n
		if most := c.config.MaxMessage; most > 0 && int64(m.given)+int64(m.n) > most {
			return errTooBig
		}
		switch {
		case errors.Is(err, io.EOF):
			if m.text && !m.check.done() {
				return errNotUTF8
			}
			m.waiting = last
		case err != nil:
			return &CloseError{Code: CodeInvalidData, Reason: "compressed data"}
		case m.n == PartSize:
			m.waiting = hand
		}
	}
	return nil
}

// deflater is a compressor and its output.
type deflater struct {
	w   *flate.Writer
	out bytes.Buffer
}

var deflaters = sync.Pool{New: func() any {
	d := new(deflater)
	d.w, _ = flate.NewWriter(&d.out, flate.BestSpeed) // fails only for an unknown level
	return d
}}

// deflate compresses a message; the result is valid until release.
func deflate(p []byte) (packed []byte, release func()) {
	d := deflaters.Get().(*deflater)
	d.out.Reset()
	d.w.Reset(&d.out)
	_, _ = d.w.Write(p) // writes to memory
	_ = d.w.Flush()
	packed = bytes.TrimSuffix(d.out.Bytes(), []byte("\x00\x00\xff\xff"))
	return packed, func() { deflaters.Put(d) }
}

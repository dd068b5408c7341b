package websocket

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"sync"
)

// tail is what the sender of a message takes off its end, and an empty final
// block so that the reader ends (RFC 7692 section 7.2.2).
const tail = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"

var inflaters = sync.Pool{New: func() any { return flate.NewReader(nil) }}

// inflate decompresses a message to at most most bytes, 0 for any number.
func inflate(p []byte, most int64) ([]byte, error) {
	r := inflaters.Get().(io.ReadCloser)
	defer inflaters.Put(r)
	if err := r.(flate.Resetter).Reset(io.MultiReader(bytes.NewReader(p), bytes.NewReader([]byte(tail))), nil); err != nil {
		return nil, err
	}
	var in io.Reader = r
	if most > 0 {
		in = io.LimitReader(r, most+1)
	}
	message, err := io.ReadAll(in)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, &CloseError{CodeInvalidData, "compressed data"}
	case most > 0 && int64(len(message)) > most:
		return nil, &CloseError{CodeTooBig, "message too big"}
	}
	return message, nil
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

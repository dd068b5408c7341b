package http1

import (
	"errors"
	"io"
	"os"
	"strconv"

	"github.com/gonicorn/gonicorn/gateway"
)

// room checks whether n bytes of the body may be written, and counts them.
func (r *reply) room(n int64) error {
	switch {
	case r.gone != nil:
		return r.gone
	case !r.headed || r.ended:
		return &gateway.BadResponse{Reason: "a body without a head"}
	case r.bodyless:
		return nil
	}
	if r.sent += n; r.length >= 0 && r.sent > r.length {
		r.broken = true
		return &gateway.BadResponse{Reason: "body longer than its Content-Length"}
	}
	return nil
}

// WriteFile implements gateway.Reply.
func (r *reply) WriteFile(f *os.File, off, n int64) error {
	r.wire.Lock()
	defer r.wire.Unlock()
	if err := r.room(n); err != nil || n == 0 || r.bodyless {
		return err
	}
	if r.chunked {
		r.out = append(strconv.AppendInt(r.out, n, 16), "\r\n"...)
	}
	if err := r.file(f, off, n); err != nil {
		return err
	}
	if r.chunked {
		r.out = append(r.out, "\r\n"...)
	}
	return nil
}

// file sends a part of a file, together with the head if both are small.
func (r *reply) file(f *os.File, off, n int64) error {
	if have := int64(len(r.out)); have+n <= int64(cap(r.out)) {
		m, _ := f.ReadAt(r.out[have:have+n], off)
		if r.out = r.out[:have+int64(m)]; int64(m) < n {
			return r.short()
		}
		return nil
	}
	if err := r.send(nil); err != nil {
		return err
	}
	err := r.x.writeFile(f, off, n)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return r.short()
	}
	if err != nil {
		return r.clientGone()
	}
	return nil
}

// short ends a response whose file has become shorter.
func (r *reply) short() error {
	r.broken = true
	return &gateway.BadResponse{Reason: "file shorter than said"}
}

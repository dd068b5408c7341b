package http1

import (
	"errors"
	"io"
	"os"
	"sync/atomic"

	"github.com/gonicorn/gonicorn/gateway"
)

// inlineBody is the largest body, in bytes, that is handed over whole if it has
// already been read.
const inlineBody = 64 << 10

// The states of a body.
const (
	bodyOpen int32 = iota
	bodyDone
	bodyFailed
)

// body is the request body as the client sends it. It implements io.Reader.
// Handlers may read it while they answer, from another goroutine.
type body struct {
	x       *serverConn
	chunked *ChunkedReader
	left    atomic.Int64 // bytes to come; for a chunked body, bytes still allowed
	state   atomic.Int32
	invite  bool // the client waits for 100 (Continue)
	hasty   bool // a read does not extend the deadline
	err     error
}

// begin sets up the request's body: nothing, all of it, or a stream.
func (b *body) begin() {
	x := b.x
	b.chunked, b.invite, b.hasty, b.err = nil, x.head.Continue, false, nil
	b.left.Store(x.head.Length)
	b.state.Store(bodyOpen)
	r := &x.req
	r.Body = gateway.Body{Length: x.head.Length}
	switch n := x.head.Length; {
	case n == 0:
		b.state.Store(bodyDone)
		return
	case n < 0:
		b.left.Store(x.s.MaxBody)
		b.chunked = NewChunkedReader(&x.in, &x.s.Rules)
		r.Body.Trailers = b.chunked.Trailers
	case n <= inlineBody && int64(len(x.in.Buffered())) >= n:
		// It stays where it is: the watcher reads into another buffer.
		r.Body.Inline = x.in.Buffered()[:n:n]
		x.in.Discard(int(n))
		b.state.Store(bodyDone)
		return
	}
	r.Body.Stream = b
}

// Read implements io.Reader. Its errors are gateway.ErrClientGone, and a
// *gateway.BadRequest for a body that breaks the rules or a limit, or is too slow.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if b.invite {
		b.invite = false
		if err := b.x.reply.invite(); err != nil {
			return 0, b.fail(err)
		}
	}
	if !b.hasty {
		b.x.readWithin(b.x.s.BodyTimeout)
	}
	n, err := b.read(p)
	if err != nil {
		err = b.fail(err)
	}
	return n, err
}

func (b *body) read(p []byte) (int, error) {
	if b.chunked != nil {
		n, err := b.chunked.Read(p)
		if b.x.s.MaxBody > 0 && b.left.Add(-int64(n)) < 0 {
			return 0, &gateway.BadRequest{Status: 413, Reason: "request body too large"}
		}
		return n, err
	}
	left := b.left.Load()
	n, err := b.x.in.Read(p[:min(int64(len(p)), left)])
	b.left.Store(left - int64(n))
	switch {
	case left == int64(n):
		return n, io.EOF
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// fail ends the body with an error, which may be io.EOF, and keeps it.
func (b *body) fail(err error) error {
	bad := (*gateway.BadRequest)(nil)
	switch {
	case errors.Is(err, io.EOF):
		b.err = io.EOF
		b.state.Store(bodyDone)
		b.x.watch.arm()
		return io.EOF
	case errors.As(err, &bad):
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = &gateway.BadRequest{Status: 400, Reason: "the body ends before its length"} // RFC 9112, 8
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = &gateway.BadRequest{Status: 408, Reason: "the body took too long"}
	default:
		err = gateway.ErrClientGone
	}
	b.err = err
	b.state.Store(bodyFailed)
	return err
}

// finish reads the rest of the body, if that is short, so that the next request can
// follow. It reports whether it can.
func (b *body) finish() bool {
	if b.state.Load() == bodyOpen {
		b.hasty = true
		b.x.readBy = pastDeadline
		b.x.readWithin(lingerTime)
		_, _ = io.CopyN(io.Discard, b, keepBody) // the state says how it went
	}
	return b.state.Load() == bodyDone
}

// tooMuch reports whether too much of the body is left to read it just to keep the
// connection.
func (b *body) tooMuch() bool {
	switch b.state.Load() {
	case bodyOpen:
		return b.chunked == nil && b.left.Load() > keepBody
	case bodyFailed:
		return true
	}
	return false
}

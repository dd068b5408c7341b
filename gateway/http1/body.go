package http1

import (
	"errors"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
)

// inlineBody is how much of a body is handed over whole, if it is there
// already: bytes.
const inlineBody = 64 << 10

// body is the request body as the client sends it. It implements io.Reader.
type body struct {
	x       *conn
	chunked *ChunkedReader
	left    int64 // to come; of a chunked one, how much is allowed
	invite  bool  // the client waits for 100 (Continue)
	done    atomic.Bool
	err     error
}

// begin sets up the request's body: nothing, all of it, or a stream.
func (b *body) begin() {
	x := b.x
	*b = body{x: x, left: x.head.Length, invite: x.head.Continue}
	r := &x.req
	r.Body.Length = x.head.Length
	switch n := x.head.Length; {
	case n == 0:
		b.done.Store(true)
		return
	case n < 0:
		b.left = x.s.MaxBody
		b.chunked = NewChunkedReader(x.in, &x.s.Rules)
		r.Body.Trailers = b.chunked.Trailers
	case n <= inlineBody && int64(len(x.in.Buffered())) >= n:
		x.data = append(x.data[:0], x.in.Buffered()[:n]...)
		x.in.Discard(int(n))
		r.Body.Inline = x.data
		b.done.Store(true)
		return
	}
	r.Body.Stream = b
}

// Read implements io.Reader. Its errors are *gateway.BadRequest for what breaks
// the rules, the limits or the patience, and gateway.ErrClientGone.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.invite {
		b.invite = false
		if err := b.x.reply.invite(); err != nil {
			return 0, b.fail(err)
		}
	}
	if t := b.x.s.BodyTimeout; t > 0 {
		b.x.readDeadline(time.Now().Add(t))
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
		if b.x.s.MaxBody > 0 {
			if b.left -= int64(n); b.left < 0 {
				return 0, &gateway.BadRequest{Status: 413, Reason: "request body too large"}
			}
		}
		return n, err
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.x.in.Read(p)
	b.left -= int64(n)
	switch {
	case b.left == 0:
		return n, io.EOF
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// fail keeps the error that ends the body.
func (b *body) fail(err error) error {
	bad := (*gateway.BadRequest)(nil)
	switch {
	case errors.Is(err, io.EOF):
		b.done.Store(true)
	case errors.As(err, &bad):
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = &gateway.BadRequest{Status: 408, Reason: "the body took too long"}
	default:
		err = gateway.ErrClientGone
	}
	b.err = err
	return err
}

// finish reads what is left of the body, if that is little, so that the next
// request can follow; it reports whether it can.
func (b *body) finish() bool {
	if b.done.Load() {
		return true
	}
	if b.err != nil || b.invite {
		b.x.linger()
		return false // a client that was not invited may send the body or not
	}
	_, err := io.CopyN(io.Discard, b, keepBody)
	if err != nil && b.done.Load() {
		return true
	}
	b.x.linger()
	return false
}

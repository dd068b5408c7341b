package proxy

import (
	"errors"
	"io"

	"github.com/gonicorn/gonicorn/gateway/http1"
)

const (
	firstBuffer = 4 << 10 // of a response, bytes
	maxFields   = 1000    // of one response; the head's size bounds them too
)

// response is one response as it is read. Where its source fails with
// http1.ErrDry, as an event loop's does, what failed so is called again later:
// somebody else may go on with it, from another source.
type response struct {
	src    io.Reader
	in     *http1.Reader // reads src through the response
	head   http1.ResponseHead
	parsed bool  // head is one that nobody has dealt with yet
	bad    error // it cannot be parsed

	opened bool                 // the body has been begun with
	held   []byte               // of it, read and not passed on
	told   bool                 // the client has the head
	chunks *http1.ChunkedReader // of a chunked body
	left   int64                // of another one; below 0 until the connection's end
	large  bool                 // in has grown
}

func newResponse() *response {
	r := &response{}
	r.in = http1.NewReader(r, firstBuffer)
	return r
}

// Read implements io.Reader for in.
func (r *response) Read(p []byte) (int, error) { return r.src.Read(p) }

// recycle makes the response as good as new, for a connection's next one.
func (r *response) recycle() {
	in, head, held := r.in, r.head, r.held[:0]
	in.Discard(len(in.Buffered()))
	head.Reset()
	clear(head.Fields[:cap(head.Fields)])
	if r.large {
		in, head = http1.NewReader(r, firstBuffer), http1.ResponseHead{}
	}
	if cap(held) > 2*heldMost {
		held = nil
	}
	*r = response{in: in, head: head, held: held}
}

// parse reads one head of at most most bytes, unless there is one already.
// Nonsense is a *gateway.BadResponse, all else an error of the source.
func (r *response) parse(most int, method string) error {
	if r.parsed || r.bad != nil {
		return r.bad
	}
	limits := http1.Limits{RequestLine: most, Fields: maxFields, FieldSize: most, Head: most}
	for {
		n := 0
		if b := r.in.Buffered(); len(b) > 0 {
			if n, r.bad = r.head.Parse(b, limits, method); r.bad != nil {
				return r.bad
			}
		}
		if n > 0 {
			r.large = r.large || n > 2*firstBuffer
			r.in.Discard(n)
			r.parsed = true
			return nil
		}
		if len(r.in.Buffered()) >= most {
			r.bad = malformed("head too long")
			return r.bad
		}
		if err := r.in.Fill(most); err != nil {
			return err
		}
	}
}

// again makes ready for the next head, behind an interim response's.
func (r *response) again() {
	r.head.Reset()
	r.parsed = false
}

// open begins with the body behind the head, and reports whether there is one.
func (r *response) open(method string) bool {
	h := &r.head
	r.opened = true
	switch {
	case !h.HasBody(method):
		return false
	case h.Chunked:
		r.chunks = http1.NewChunkedReader(r.in, trailerRules)
	case h.UntilClose:
		r.left = -1
	default:
		r.left = h.Length
	}
	return true
}

// trailerRules are as lenient as those of a response's head.
var trailerRules = &http1.Rules{HeaderMap: http1.Dangerous}

// next returns some more of the body, which is valid until the next call and may
// lie in buf; io.EOF is the body's end.
func (r *response) next(buf []byte) ([]byte, error) {
	if r.chunks != nil {
		n, err := r.chunks.Read(buf)
		return buf[:n], err
	}
	if r.left == 0 {
		return nil, io.EOF
	}
	p := r.in.Buffered()
	if len(p) > 0 {
		p = p[:r.part(len(p))]
		r.in.Discard(len(p))
	} else {
		n, err := r.src.Read(buf[:r.part(len(buf))])
		if n == 0 && r.left > 0 && errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if n == 0 {
			return nil, err
		}
		p = buf[:n]
	}
	if r.left > 0 {
		r.left -= int64(len(p))
	}
	return p, nil
}

// part is how much of n bytes is the body's.
func (r *response) part(n int) int {
	if r.left < 0 {
		return n
	}
	return int(min(int64(n), r.left))
}

// whole reports whether all of a body of known length has been returned.
func (r *response) whole() bool { return r.chunks == nil && r.left == 0 }

// trailed reports whether the body had trailers, behind its end.
func (r *response) trailed() bool { return r.chunks != nil && len(r.chunks.Trailers()) > 0 }

// reusable reports whether the connection can have another request, once the body
// has been read.
func (r *response) reusable() bool {
	return r.head.KeepAlive && !r.head.UntilClose && len(r.in.Buffered()) == 0
}

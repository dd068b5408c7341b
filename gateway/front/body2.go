package front

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"golang.org/x/net/http2"
)

// body2 is the body of an HTTP/2 request. Its errors are the gateway's.
type body2 struct {
	in       io.Reader
	q        *http.Request
	s        *http1.Server
	patience patience
	read     int64
	err      error
}

// Read implements io.Reader. Only one goroutine may call it at a time.
func (b *body2) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	b.patience.begin()
	n, err := b.in.Read(p)
	b.patience.end()
	if b.read += int64(n); b.s.MaxBody > 0 && b.read > b.s.MaxBody {
		n, b.err = 0, bad(413, "request body too large")
	} else if err != nil {
		b.err = b.explain(err)
	}
	return n, b.err
}

// explain tells from what the library says whose fault it is.
func (b *body2) explain(err error) error {
	var reset http2.StreamError
	switch {
	case errors.Is(err, io.EOF):
		return b.checkTrailers()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return bad(408, "the body took too long")
	case errors.As(err, &reset) || b.q.Context().Err() != nil:
		return gateway.ErrClientGone
	case b.q.ContentLength >= 0 && b.read < b.q.ContentLength:
		return bad(400, "body shorter than its Content-Length")
	}
	return gateway.ErrClientGone
}

// checkTrailers refuses what no trailer may say; io.EOF is fine. The library
// has dropped those that the head has not announced.
func (b *body2) checkTrailers() error {
	for _, f := range fields(nil, b.q.Trailer) {
		if http1.TrailerHostile(f.Name) {
			return bad(400, "forbidden trailer field")
		}
		if strings.Contains(f.Name, "_") && b.s.Rules.HeaderMap == http1.Refuse {
			return bad(400, "underscore in a trailer field's name")
		}
	}
	return io.EOF
}

// trailers are there once the body has ended.
func (b *body2) trailers() []gateway.Field {
	if !errors.Is(b.err, io.EOF) {
		return nil
	}
	all := fields(nil, b.q.Trailer)
	kept := all[:0]
	for _, f := range all {
		if !http1.TrailerAllowed(f) {
			continue
		}
		if !strings.Contains(f.Name, "_") || b.s.Rules.HeaderMap == http1.Dangerous {
			kept = append(kept, f)
		}
	}
	return kept
}

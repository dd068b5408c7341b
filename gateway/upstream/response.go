package upstream

import (
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/http1"
)

const (
	maxInterim = 64   // 1xx responses before the final one
	maxFields  = 1000 // of one response; the head's size bounds them too
)

// roundTrip sends the request and passes the answer on, up to its end. It
// reports whether the connection can be used for another one.
func (x *exchange) roundTrip(c *conn) (reusable bool, err error) {
	if x.inline {
		x.pending = x.out
	} else {
		if x.readErr = c.write(x.out); x.readErr != nil {
			return false, x.failed(x.readErr)
		}
		x.send(c)
	}
	tunnelled, err := x.readHead()
	if err != nil || tunnelled {
		return false, err
	}
	h := &x.head
	if !c.asked {
		c.asked, c.keepAlive = true, promised(http1.Get(h.Fields, "keep-alive"))
	}
	if x.replyErr = x.w.Head(h.Status, h.Reason, h.Fields, h.Length); x.replyErr != nil {
		return false, x.failed(x.replyErr)
	}
	x.dirty = h.Length < 0 // a head alone is not worth a write where more must follow
	if h.HasBody(x.method) {
		if err := x.body(); err != nil {
			return false, x.failed(err)
		}
	}
	return h.KeepAlive && !h.UntilClose && len(x.in.Buffered()) == 0, nil
}

// promised is for how long an idle connection stays open by a Keep-Alive field,
// less a margin for the way: the request that meets its end is lost.
func promised(value string) time.Duration {
	for p := range strings.SplitSeq(value, ",") {
		name, n, _ := strings.Cut(strings.TrimSpace(p), "=")
		if strings.EqualFold(name, "timeout") {
			if s, err := strconv.ParseUint(n, 10, 31); err == nil && s > 0 {
				d := time.Duration(s) * time.Second
				return d - min(time.Second, d/2)
			}
		}
	}
	return 0
}

// readHead reads the final response's head, passing interim ones on; or it
// carries a tunnel to its end.
func (x *exchange) readHead() (tunnelled bool, err error) {
	h := &x.head
	most := x.b.MaxResponseHead
	limits := http1.Limits{RequestLine: most, Fields: maxFields, FieldSize: most, Head: most}
	for range maxInterim {
		if err := x.parseHead(limits); err != nil {
			return false, x.failed(err)
		}
		switch {
		case h.Status == 101:
			x.worker.ledger.answer(&x.entry)
			if x.upgrade == "" || h.Upgrade != x.upgrade {
				return false, x.failed(malformed("switched to a protocol that nobody asked for"))
			}
			return true, x.tunnel()
		case h.Status >= 200:
			x.worker.ledger.answer(&x.entry)
			if x.method == "CONNECT" && h.Status < 300 {
				return true, x.tunnel()
			}
			return false, nil
		case h.Status != 100:
			if x.replyErr = x.w.Interim(h.Status, h.Fields); x.replyErr != nil {
				return false, x.failed(x.replyErr)
			}
		}
		h.Reset()
	}
	return false, x.failed(malformed("too many interim responses"))
}

func malformed(reason string) error { return &gateway.BadResponse{Reason: reason} }

// parseHead reads one head.
func (x *exchange) parseHead(limits http1.Limits) error {
	for {
		n := 0
		if b := x.in.Buffered(); len(b) > 0 {
			var err error
			if n, err = x.head.Parse(b, limits, x.method); err != nil {
				x.readErr = nil
				return err
			}
		}
		if n > 0 {
			x.large = x.large || n > 2*firstBuffer
			x.in.Discard(n)
			return nil
		}
		if err := x.in.Fill(limits.Head); err != nil {
			if x.readErr == nil && x.replyErr == nil {
				return malformed("head too long")
			}
			return err
		}
	}
}

// body passes the body on, as it is framed.
func (x *exchange) body() error {
	h := &x.head
	switch {
	case h.Chunked:
		x.trailers = http1.NewChunkedReader(x.in, trailerRules)
		return x.copy(x.trailers)
	case h.UntilClose:
		return x.copy(x.in)
	}
	return x.copyLength(h.Length)
}

// trailerRules are as lenient as those of a response's head.
var trailerRules = &http1.Rules{HeaderMap: http1.Dangerous}

// end ends the response; the worker has been given back.
func (x *exchange) end() error {
	if x.tunnelled {
		return nil
	}
	var trailers []gateway.Field
	if x.trailers != nil {
		trailers = x.trailers.Trailers()
	}
	if x.replyErr = x.w.End(trailers); x.replyErr != nil {
		return x.failed(x.replyErr)
	}
	return nil
}

// copyLength passes on a body of n bytes.
func (x *exchange) copyLength(n int64) error {
	for n > 0 {
		if b := x.in.Buffered(); len(b) > 0 {
			b = b[:min(int64(len(b)), n)]
			if err := x.pass(b); err != nil {
				return err
			}
			x.in.Discard(len(b))
			n -= int64(len(b))
			continue
		}
		buf := x.room()
		got, err := x.Read(buf[:min(int64(len(buf)), n)])
		if err != nil {
			return err
		}
		if err := x.pass(buf[:got]); err != nil {
			return err
		}
		x.fits(got)
		n -= int64(got)
	}
	return nil
}

// copy passes on a body that ends with src.
func (x *exchange) copy(src io.Reader) error {
	for {
		buf := x.room()
		n, err := src.Read(buf)
		if n > 0 {
			if err := x.pass(buf[:n]); err != nil {
				return err
			}
			x.fits(n)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (x *exchange) pass(p []byte) error {
	x.dirty = true
	_, x.replyErr = x.w.Write(p)
	return x.replyErr
}

// room is the buffer for a body's parts.
func (x *exchange) room() []byte {
	if x.buf == nil {
		x.buf = make([]byte, copyFirst)
	}
	return x.buf
}

// fits takes a larger buffer when the parts fill this one.
func (x *exchange) fits(n int) {
	if n == len(x.buf) && n < copyMost {
		x.buf = make([]byte, copyMost)
	}
}

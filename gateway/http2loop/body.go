package http2loop

import (
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/http1"
)

// body is the body of a request that has a goroutine. The loop adds what comes, and
// the goroutine reads it. The stream's window bounds what is in between. It implements
// io.Reader, for one goroutine at a time.
type body struct {
	t      *task
	read   int64         // bytes that the goroutine has read
	late   *time.Timer   // used by the goroutine
	ready  chan struct{} // has one element if there may be something new
	invite bool          // the client waits for 100 (Continue)

	mu       sync.Mutex
	until    time.Time // a tunnel's deadline
	parts    []byte
	err      error // to be returned after parts
	taken    int   // bytes that were read, but not yet counted as consumed
	left     bool  // bytes are not counted any more
	trailing []gateway.Field
}

func newBody(t *task, invite bool) *body {
	return &body{t: t, ready: make(chan struct{}, 1), invite: invite}
}

// begin sets what the loop has collected. The loop has counted it as consumed.
func (b *body) begin(p []byte) {
	b.parts = p
	b.taken = -len(p)
}

// add adds a part. It is called on the loop.
func (b *body) add(p []byte) {
	b.mu.Lock()
	b.parts = append(b.parts, p...)
	b.mu.Unlock()
	b.wake()
}

// end is called on the loop after the last part.
func (b *body) end(short bool, trailers []gateway.Field) {
	var err error = io.EOF
	if short {
		err = &gateway.BadRequest{Status: 400, Reason: "body shorter than its Content-Length"}
	}
	for _, f := range trailers {
		if http1.TrailerHostile(f.Name) {
			err = &gateway.BadRequest{Status: 400, Reason: "forbidden trailer field"}
		} else if strings.Contains(f.Name, "_") && b.t.s.o.HTTP.Rules.HeaderMap == http1.Refuse {
			err = &gateway.BadRequest{Status: 400, Reason: "underscore in a trailer field's name"}
		}
	}
	b.mu.Lock()
	if b.err == nil {
		b.err = err
		b.keep(trailers)
	}
	b.mu.Unlock()
	b.wake()
}

// keep keeps the trailers that the worker gets.
func (b *body) keep(trailers []gateway.Field) {
	for _, f := range trailers {
		if !http1.TrailerAllowed(f) {
			continue
		}
		if !strings.Contains(f.Name, "_") || b.t.s.o.HTTP.Rules.HeaderMap == http1.Dangerous {
			b.trailing = append(b.trailing, f)
		}
	}
}

// leave is called on the loop when the stream or its goroutine has ended. It
// returns how many bytes were not counted as consumed.
func (b *body) leave() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left {
		return 0
	}
	b.left = true
	n := max(0, b.taken+len(b.parts))
	if b.err == nil {
		b.err, b.parts = gateway.ErrClientGone, nil
	}
	b.wake()
	return n
}

func (b *body) wake() {
	select {
	case b.ready <- struct{}{}:
	default:
	}
}

// Read implements io.Reader. Its errors are a *gateway.BadRequest or
// gateway.ErrClientGone.
func (b *body) Read(p []byte) (int, error) {
	if b.invite {
		b.invite = false
		b.t.do(func(st *stream) {
			if st != nil {
				st.invite()
			}
		})
	}
	var by time.Time
	if most := b.t.s.o.HTTP.BodyTimeout; most > 0 {
		by = time.Now().Add(most)
	}
	n, err := b.take(p, func() time.Time { return by })
	b.read += int64(n)
	if most := b.t.s.o.HTTP.MaxBody; most > 0 && b.read > most {
		return 0, b.fail(&gateway.BadRequest{Status: 413, Reason: "request body too large"})
	}
	if errors.Is(err, errLate) {
		err = b.fail(&gateway.BadRequest{Status: 408, Reason: "the body took too long"})
	}
	return n, err
}

// fail ends the body with an error for good.
func (b *body) fail(err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.taken += len(b.parts)
	b.err, b.parts = err, nil
	b.wake()
	return err
}

// take takes bytes, and waits for them until the time that by returns. The zero time
// means for ever.
func (b *body) take(p []byte, by func() time.Time) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		n, consumed, err := b.pop(p)
		if consumed > 0 {
			b.t.do(func(st *stream) {
				if st != nil {
					st.c.wire.Consumed(&st.Stream, consumed)
				} else {
					b.t.conn.wire.Discarded(consumed)
				}
			})
		}
		if n > 0 || err != nil {
			return n, err
		}
		if err := b.wait(by()); err != nil {
			return 0, err
		}
	}
}

// errLate says that the deadline has passed.
var errLate = os.ErrDeadlineExceeded

// wait waits until something may be new.
func (b *body) wait(by time.Time) error {
	if by.IsZero() {
		<-b.ready
		return nil
	}
	most := time.Until(by)
	if most <= 0 {
		return errLate
	}
	if b.late == nil {
		b.late = time.NewTimer(most)
	} else {
		b.late.Reset(most)
	}
	defer b.late.Stop()
	select {
	case <-b.ready:
	case <-b.late.C:
	}
	return nil
}

// countAt is how many read bytes are collected before they are counted as consumed,
// while there are more to read.
const countAt = 4 << 10

// pop takes what there is. consumed is how many bytes are now to be counted as
// consumed.
func (b *body) pop(p []byte) (n, consumed int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n = copy(p, b.parts)
	if b.parts = b.parts[n:]; len(b.parts) == 0 {
		b.parts = nil
		if n == 0 {
			err = b.err
		}
	}
	if b.taken += n; !b.left && b.taken > 0 && (b.taken >= countAt || len(b.parts) == 0) {
		consumed, b.taken = b.taken, 0
	}
	return n, consumed, err
}

// trailers returns the trailers, once the whole body was read.
func (b *body) trailers() []gateway.Field {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.parts) > 0 || b.err != io.EOF {
		return nil
	}
	return b.trailing
}

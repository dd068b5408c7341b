package http2loop

import (
	"errors"
	"io"
	"net"
	"os"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/http1"
	h2 "golang.org/x/net/http2"
)

// replyHeld is how many bytes of a body a reply collects before it sends them.
const replyHeld = 16 << 10

// reply is the response to a request that has a goroutine. It implements
// gateway.Reply. Everything is sent through the loop.
type reply struct {
	t *task

	status    int // 0 before Head was called
	fields    []gateway.Field
	length    int64
	committed bool // the response cannot be replaced by another
	headed    bool // the loop has the head
	ended     bool
	bodyless  bool
	sent      int64
	held      []byte
	err       error // set if the client is gone
}

// part is what a goroutine sends at once.
type part struct {
	status   int // of the head before it; 0 if there is none
	fields   []gateway.Field
	length   int64
	bodyless bool
	p        []byte
	end      bool
	trailers []gateway.Field
	tunnel   bool       // the stream is a tunnel from then on
	done     chan error // nil if nobody waits
}

func (p *part) finish(err error) {
	if p.done != nil {
		p.done <- err
	}
}

// begin sets up a reply, which may have begun already.
func (r *reply) begin(t *task) {
	r.t = t
	if s := t.req.Resumed; s != nil {
		r.status, r.length, r.sent, r.headed, r.committed = s.Status, s.Length, s.Sent, true, true
	}
}

// Started implements gateway.Reply.
func (r *reply) Started() bool { return r.committed }

// Interim implements gateway.Reply.
func (r *reply) Interim(status int, fields []gateway.Field) error {
	if r.err != nil || r.status != 0 || status < 102 || status > 199 {
		return r.err
	}
	if err := http1.CheckResponse(status, fields); err != nil {
		return err
	}
	return r.run(func(st *stream) error {
		st.interim(status, fields)
		return nil
	})
}

// run calls f on the loop, with the stream if it is open, and waits until f returns.
func (r *reply) run(f func(st *stream) error) error {
	done := make(chan error, 1)
	r.t.do(func(st *stream) {
		if st == nil {
			done <- gateway.ErrClientGone
			return
		}
		done <- f(st)
	})
	err := <-done
	if errors.Is(err, gateway.ErrClientGone) {
		r.err = err
	}
	return err
}

// Head implements gateway.Reply.
func (r *reply) Head(status int, _ string, fields []gateway.Field, length int64) error {
	switch {
	case r.status != 0:
		return &gateway.BadResponse{Reason: "a second head"}
	case status < 200:
		return &gateway.BadResponse{Reason: "invalid status"}
	}
	if err := http1.CheckResponse(status, fields); err != nil {
		return err
	}
	r.status, r.length = status, length
	r.bodyless = http1.Bodyless(r.t.req.Method, status)
	r.fields = append([]gateway.Field(nil), fields...)
	return nil
}

// Write implements gateway.Reply.
func (r *reply) Write(p []byte) (int, error) {
	switch {
	case r.err != nil:
		return 0, r.err
	case r.status == 0 || r.ended:
		return 0, &gateway.BadResponse{Reason: "a body without a head"}
	case r.bodyless || len(p) == 0:
		return len(p), nil
	case r.length >= 0 && r.sent+int64(len(p)) > r.length:
		r.length = -2 // so that End fails
		return 0, &gateway.BadResponse{Reason: "body longer than its Content-Length"}
	}
	r.sent += int64(len(p))
	r.committed = true
	if len(r.held)+len(p) <= replyHeld {
		r.held = append(r.held, p...)
		return len(p), nil
	}
	if len(r.held) > 0 {
		if err := r.Flush(); err != nil {
			return 0, err
		}
	}
	if err := r.send(&part{p: p, done: make(chan error, 1)}); err != nil {
		return 0, err
	}
	return len(p), nil
}

// send gives a part to the loop, with the head if the loop does not have it yet. If
// the part has a done channel, send waits until the part was sent.
func (r *reply) send(p *part) error {
	if !r.headed {
		r.headed, r.committed = true, true
		p.status, p.fields, p.length, p.bodyless = r.status, r.fields, r.length, r.bodyless
	}
	r.t.do(func(st *stream) {
		if st == nil {
			p.finish(gateway.ErrClientGone)
			return
		}
		st.say(p)
	})
	if p.done == nil {
		return nil
	}
	if err := <-p.done; err != nil {
		r.err = err
		return err
	}
	return nil
}

// WriteFile implements gateway.Reply.
func (r *reply) WriteFile(f *os.File, off, n int64) error {
	buf := make([]byte, min(n, 4*replyHeld))
	sent, err := io.CopyBuffer(struct{ io.Writer }{r}, io.NewSectionReader(f, off, n), buf)
	if err == nil && sent < n {
		return &gateway.BadResponse{Reason: "file shorter than said"}
	}
	return err
}

// Flush implements gateway.Reply.
func (r *reply) Flush() error {
	if r.err != nil || r.status == 0 || r.headed && len(r.held) == 0 {
		return r.err
	}
	err := r.send(&part{p: r.held, done: make(chan error, 1)})
	r.held = r.held[:0]
	return err
}

// End implements gateway.Reply. It does not wait until the client has taken the rest.
func (r *reply) End(trailers []gateway.Field) error {
	switch {
	case r.err != nil || r.ended:
		return r.err
	case r.status == 0:
		return &gateway.BadResponse{Reason: "an end without a head"}
	case !r.bodyless && r.length != -1 && r.sent != r.length:
		return &gateway.BadResponse{Reason: "body is not as long as its Content-Length"}
	}
	p := &part{p: r.held, end: true}
	for _, f := range trailers {
		if http1.TrailerAllowed(f) {
			p.trailers = append(p.trailers, f)
		}
	}
	if !r.headed && r.length < 0 && len(p.trailers) == 0 {
		r.length = r.sent // the whole body is here
	}
	r.ended, r.held = true, nil
	return r.send(p)
}

// Upgrade implements gateway.Reply: the stream is a tunnel from then on (RFC
// 8441, 5).
func (r *reply) Upgrade(status int, fields []gateway.Field) (net.Conn, error) {
	switch {
	case r.status != 0:
		return nil, &gateway.BadResponse{Reason: "an upgrade behind a head"}
	case r.t.req.Upgrade == "":
		return nil, errors.ErrUnsupported
	case status != 101 && (status < 200 || status > 299):
		return nil, &gateway.BadResponse{Reason: "an upgrade that was not asked for"}
	}
	if err := http1.CheckResponse(status, fields); err != nil {
		return nil, err
	}
	r.status, r.length, r.ended = 200, -1, true
	r.fields = append([]gateway.Field(nil), fields...)
	if err := r.send(&part{tunnel: true, done: make(chan error, 1)}); err != nil {
		return nil, err
	}
	return newTunnel(r.t), nil
}

// finish answers with 500 if the handler has not answered. An answer that was begun
// and not ended is cut off.
func (r *reply) finish() {
	switch {
	case r.ended || r.err != nil:
		return
	case r.committed:
		r.t.do(func(st *stream) {
			if st != nil {
				st.c.wire.Reset(&st.Stream, h2.ErrCodeInternal)
			}
		})
		return
	}
	r.status, r.fields = 0, nil
	if r.Head(500, "", nil, 0) == nil {
		_ = r.End(nil) // cannot fail
	}
}

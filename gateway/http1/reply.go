package http1

import (
	"sync"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
)

// reply sends the response to one request. It implements gateway.Reply.
type reply struct {
	x      *serverConn
	out    []byte // not sent yet; nil until there is something to send
	served int    // requests answered on this connection

	wire   sync.Mutex // guards out, and the sending of the final response, against the watcher; locked before mu
	mu     sync.Mutex // guards against the reader of the body, which may send 100 (Continue)
	headed bool       // the final response has begun
	awaits bool       // the client waits for 100 (Continue) before it sends the body

	length int64 // of the body as announced; -1 if it is not known
	answered
}

// answered is how far the final response has come, and how it ended.
type answered struct {
	sent     int64 // bytes of the body
	flushed  bool  // bytes of the final response were sent
	ended    bool
	chunked  bool
	bodyless bool // no body may follow: HEAD, 204, 304
	last     bool // the connection ends after the response
	broken   bool // the response cannot be completed
	upgraded bool
	gone     error // not nil if the client is gone
}

func (r *reply) begin() {
	x := r.x
	*r = reply{x: x, out: r.out[:0], served: r.served}
	r.awaits = x.head.Continue && x.body.state.Load() == bodyOpen
	r.last = !x.head.KeepAlive || x.s.KeepAlive <= 0 || x.s.draining.Load()
}

// resume continues a response that the loop has begun.
func (r *reply) resume(b *Begun) {
	s := b.Resumed
	r.headed, r.flushed, r.length, r.sent, r.chunked = true, true, s.Length, s.Sent, b.Chunked
	r.last = r.last || b.Last
	r.out = append(r.x.s.blocks.get()[:0], b.Unsent...)
}

// Started implements gateway.Reply.
func (r *reply) Started() bool { return r.flushed }

// continueLine is never changed.
var continueLine = []byte("HTTP/1.1 100 Continue\r\n\r\n")

// invite sends 100 (Continue). The reader of the body calls it.
func (r *reply) invite() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.headed || !r.awaits {
		return nil
	}
	r.awaits = false
	if r.x.write(continueLine) != nil {
		return gateway.ErrClientGone
	}
	return nil
}

// Interim implements gateway.Reply.
func (r *reply) Interim(status int, fields []gateway.Field) error {
	if r.headed || r.x.head.Minor == 0 || status < 102 || status > 199 {
		return r.gone
	}
	if err := check(fields); err != nil {
		return err
	}
	r.wire.Lock()
	defer r.wire.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.statusLine(status, "")
	for i := range fields {
		if name := fields[i].Name; !hopByHop(name) && !foldEqual(name, "content-length") {
			r.out = appendField(r.out, name, fields[i].Value)
		}
	}
	r.out = append(r.out, "\r\n"...)
	return r.send(nil)
}

// Head implements gateway.Reply.
func (r *reply) Head(status int, reason string, fields []gateway.Field, length int64) error {
	r.wire.Lock()
	defer r.wire.Unlock()
	switch {
	case r.headed:
		return &gateway.BadResponse{Reason: "a second head"}
	case status < 200 || status > 999:
		return &gateway.BadResponse{Reason: "invalid status"}
	case !all(reason, valueChar):
		return &gateway.BadResponse{Reason: "invalid reason phrase"}
	}
	if err := check(fields); err != nil {
		return err
	}
	r.mu.Lock()
	r.headed = true
	r.frame(status, length)
	last := r.last // half may set it meanwhile
	r.mu.Unlock()
	r.statusLine(status, reason)
	r.out = appendResponseFields(r.out, fields, r.x.s.OwnAt(time.Now()))
	r.out = Framing{Minor: r.x.head.Minor, Bodyless: r.bodyless, Chunked: r.chunked, Last: last}.append(r.out, status, length)
	return nil
}

// frame decides how the body ends (RFC 9112, 6.3), and whether the connection
// outlives it.
func (r *reply) frame(status int, length int64) {
	x := r.x
	r.bodyless = Bodyless(x.head.Method, status)
	r.length = length
	if !r.bodyless && length < 0 {
		r.chunked = x.head.Minor > 0
		r.last = r.last || !r.chunked
	}
	// What follows a CONNECT is not a request to this server (RFC 9110, 9.3.6).
	r.last = r.last || x.head.Method == "CONNECT" || r.awaits || x.body.tooMuch() || x.s.draining.Load()
}

func (r *reply) statusLine(status int, reason string) {
	if r.out == nil {
		r.out = r.x.s.blocks.get()[:0]
	}
	r.out = appendStatusLine(r.out, status, reason)
}

// check refuses names and values that would break the framing of a field.
func check(fields []gateway.Field) error {
	for i := range fields {
		f := &fields[i]
		if f.Name == "" || !all(f.Name, tokenChar) {
			return &gateway.BadResponse{Reason: "invalid name of a header field"}
		}
		if !all(f.Value, valueChar) {
			return &gateway.BadResponse{Reason: "invalid value of the header field " + f.Name}
		}
	}
	return nil
}

// Write implements gateway.Reply.
func (r *reply) Write(p []byte) (int, error) {
	r.wire.Lock()
	defer r.wire.Unlock()
	if err := r.room(int64(len(p))); err != nil {
		return 0, err
	}
	if len(p) == 0 || r.bodyless {
		return len(p), nil
	}
	if r.chunked {
		r.out = AppendChunkSize(r.out, len(p))
	}
	if len(r.out)+len(p) <= cap(r.out) {
		r.out = append(r.out, p...)
	} else if err := r.send(p); err != nil {
		return 0, err
	}
	if r.chunked {
		r.out = append(r.out, "\r\n"...)
	}
	return len(p), nil
}

// Flush implements gateway.Reply.
func (r *reply) Flush() error {
	r.wire.Lock()
	defer r.wire.Unlock()
	if !r.headed {
		return r.gone
	}
	return r.send(nil)
}

// End implements gateway.Reply.
func (r *reply) End(trailers []gateway.Field) error {
	r.wire.Lock()
	defer r.wire.Unlock()
	switch {
	case !r.headed:
		return &gateway.BadResponse{Reason: "an end without a head"}
	case r.ended:
		return nil
	case !r.bodyless && r.length >= 0 && r.sent < r.length:
		r.broken = true
		return &gateway.BadResponse{Reason: "body shorter than its Content-Length"}
	}
	r.ended = true
	if r.chunked {
		r.out = AppendLastChunk(r.out, trailers)
	}
	return r.send(nil)
}

// send sends what has been collected, and then p.
func (r *reply) send(p []byte) error {
	if r.gone != nil {
		return r.gone
	}
	if len(r.out)+len(p) == 0 {
		return nil
	}
	r.flushed = r.flushed || r.headed
	r.x.writeDeadline()
	var err error
	if len(p) == 0 {
		err = r.x.write(r.out)
	} else {
		err = r.x.writeBoth(r.out, p)
	}
	r.out = r.out[:0]
	if err != nil {
		return r.clientGone()
	}
	return nil
}

// clientGone records that the client takes nothing more.
func (r *reply) clientGone() error {
	r.gone = gateway.ErrClientGone
	return r.gone
}

// finish completes the response after the handler has returned. It reports whether
// another request may follow.
func (r *reply) finish() bool {
	r.served++
	if r.upgraded || r.gone != nil {
		return false
	}
	if !r.ended && !r.flushed {
		// The handler has not answered, or not to the end: a 500 is better than nothing.
		r.out, r.sent, r.last = r.out[:0], 0, true
		r.headed, r.broken, r.chunked = false, false, false
		if r.Head(500, "", nil, 0) != nil || r.End(nil) != nil {
			return false
		}
	}
	if !r.ended && r.flushed {
		_ = r.send(nil) // the client gets what there is, and then notices the cut
	}
	if !r.ended && !r.chunked && !r.bodyless && r.length < 0 {
		r.x.tear()
	}
	return r.ended && !r.broken && !r.last
}

package http2

import (
	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/internal/fifo"
	h2 "golang.org/x/net/http2"
)

// Owner serves a stream. Its methods are called from methods of Conn.
type Owner interface {
	// Begin is called when Stream.Head has the request's head.
	Begin()
	// Data brings a part of the body, which is valid during the call only.
	Data(p []byte)
	// End says that the request is complete. The trailers are valid during the call
	// only.
	End(trailers []gateway.Field)
	// Sent says that the rest of what Send got is now in Conn.Out.
	Sent()
	// Closed is called last: the connection no longer uses the stream. The error is
	// nil if the response was sent to its end, or else ErrGone or a ResetError.
	Closed(err error)
}

// Stream is one request and the response to it. It is part of its owner, which may
// use it again after Closed.
type Stream struct {
	Owner Owner
	ID    uint32
	Head  Head
	Open  bool // from Begin to Closed
	// Tunnel says that the client may go on sending after the response has ended.
	Tunnel bool
	// Malformed resets the stream once the response, which says why, was sent.
	Malformed bool

	kept        []gateway.Field // Head.Fields is part of it
	got         int64           // bytes of the body so far
	remoteEnded bool
	localEnded  bool
	window      int64
	in          inflow
	sending
}

// sending is what a stream has to send and is not in Conn.out yet.
type sending struct {
	out      []byte
	outEnd   bool // the stream ends after it
	trailers []gateway.Field
	turn     fifo.Place[*Stream]
	queued   bool
}

// queue has the streams that wait for room or for a window.
type queue = fifo.List[*Stream]

// Forget drops the request's data. It is called after Closed.
func (s *Stream) Forget() {
	if clear(s.kept); cap(s.kept) > fieldsKept {
		s.kept = nil
	}
	s.Head = Head{}
}

// Whole reports whether the request is complete.
func (s *Stream) Whole() bool { return s.remoteEnded }

// Short reports whether the request is complete, and its body is shorter than its
// Content-Length.
func (s *Stream) Short() bool {
	return s.remoteEnded && s.Head.Length >= 0 && s.got < s.Head.Length
}

// Ended reports whether the whole response was sent.
func (s *Stream) Ended() bool { return s.localEnded }

// Got returns how many bytes of the body have come.
func (s *Stream) Got() int64 { return s.got }

// Left returns how many bytes of what Send got are left, and whether anything is.
func (s *Stream) Left() (n int, some bool) { return len(s.out), s.queued }

// open adds a stream.
func (c *Conn) open(s *Stream, id uint32, end bool) {
	s.ID, s.Open, s.Tunnel, s.Malformed = id, true, false, false
	s.got, s.remoteEnded, s.localEnded = 0, end, false
	s.window, s.in = c.initial, inflow{avail: c.bounds.Window}
	s.out, s.outEnd, s.trailers, s.queued = nil, false, nil, false
	c.streams[id] = s
}

// ended records that a request is complete.
func (c *Conn) ended(s *Stream, trailers []gateway.Field) {
	s.remoteEnded = true
	s.Owner.End(trailers)
	c.over(s)
}

// over ends a stream whose response was sent, unless it is a tunnel and the client
// goes on. A client that has not finished its request need not (RFC 9113, 8.1).
func (c *Conn) over(s *Stream) {
	if !s.localEnded || c.streams[s.ID] != s || s.Tunnel && !s.remoteEnded {
		return
	}
	code, last := h2.ErrCodeNo, !s.remoteEnded
	if s.Malformed {
		code, last = h2.ErrCodeProtocol, true
	}
	if last {
		c.codec.reset(c, s.ID, code)
		c.recent.add(s.ID | wasReset)
	}
	c.drop(s, nil)
}

// Reset resets a stream. It calls the owner's Closed.
func (c *Conn) Reset(s *Stream, code h2.ErrCode) {
	if c.streams[s.ID] != s {
		return
	}
	c.codec.reset(c, s.ID, code)
	c.recent.add(s.ID | wasReset)
	c.drop(s, ResetError{code})
}

// refuse resets a stream, which need not be open.
func (c *Conn) refuse(id uint32, code h2.ErrCode) {
	s := c.streams[id]
	if s != nil && !c.calm.reset(c.bounds.Streams) || s == nil && !c.calm.idle() {
		c.fail(h2.ErrCodeEnhanceYourCalm)
		return
	}
	if s != nil {
		c.Reset(s, code)
		return
	}
	c.codec.reset(c, id, code)
	if !c.recent.reset(id) {
		c.recent.add(id | wasReset)
	}
}

// drop removes a stream.
func (c *Conn) drop(s *Stream, err error) {
	delete(c.streams, s.ID)
	c.unqueue(s)
	if !c.recent.reset(s.ID) {
		c.recent.add(s.ID)
	}
	s.Open, s.out, s.trailers = false, nil, nil
	s.Owner.Closed(err)
}

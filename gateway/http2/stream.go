package http2

import (
	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/internal/fifo"
	h2 "golang.org/x/net/http2"
)

// Owner is who serves a stream. Its methods are called from those of the
// connection.
type Owner interface {
	// Begin is called when the request's head is there, in Stream.Head.
	Begin()
	// Data brings a part of the body, which is valid during the call only.
	Data(p []byte)
	// End says that nothing more comes of the request; the trailers are valid
	// during the call only.
	End(trailers []gateway.Field)
	// Sent says that all that was left of what Send got is in Conn.Out.
	Sent()
	// Closed is called last: the stream is the connection's no more. The error is
	// nil where the response was sent to its end, ErrGone or a ResetError.
	Closed(err error)
}

// Stream is one request and the response to it. It is part of its owner, who may
// use it again when it was Closed.
type Stream struct {
	Owner Owner
	ID    uint32
	Head  Head
	Open  bool // from Begin to Closed
	// Tunnel says that the client may go on when all was sent to it.
	Tunnel bool
	// Malformed resets the stream once the response has told why.
	Malformed bool

	kept        []gateway.Field // Head.Fields is part of it
	got         int64           // bytes of the body
	remoteEnded bool
	localEnded  bool
	window      int64
	in          inflow
	sending
}

// sending is what a stream has to send, and is not in Conn.out yet.
type sending struct {
	out      []byte
	outEnd   bool // behind it the stream ends
	trailers []gateway.Field
	turn     fifo.Place[*Stream]
	queued   bool
}

// queue are streams that wait for room or for their windows.
type queue = fifo.List[*Stream]

// Forget drops what is held of the request. The stream was Closed.
func (s *Stream) Forget() {
	clear(s.kept)
	s.Head = Head{}
}

// Whole reports whether the request has come in full, and Short whether its body
// was then shorter than its Content-Length.
func (s *Stream) Whole() bool { return s.remoteEnded }

// Short is described at Whole.
func (s *Stream) Short() bool {
	return s.remoteEnded && s.Head.Length >= 0 && s.got < s.Head.Length
}

// Ended reports whether all was sent.
func (s *Stream) Ended() bool { return s.localEnded }

// Got is how many bytes of the body there were so far.
func (s *Stream) Got() int64 { return s.got }

// Left is how many bytes of what Send got are left, and whether anything is.
func (s *Stream) Left() (n int, some bool) { return len(s.out), s.queued }

// open adds a stream.
func (c *Conn) open(s *Stream, id uint32, end bool) {
	s.ID, s.Open, s.Tunnel, s.Malformed = id, true, false, false
	s.got, s.remoteEnded, s.localEnded = 0, end, false
	s.window, s.in = c.initial, inflow{avail: c.bounds.Window}
	s.out, s.outEnd, s.trailers, s.queued = nil, false, nil, false
	c.streams[id] = s
}

// ended takes note that a request has come in full.
func (c *Conn) ended(s *Stream, trailers []gateway.Field) {
	s.remoteEnded = true
	s.Owner.End(trailers)
	c.over(s)
}

// over ends a stream when both ends have finished, or when the client need not
// finish (RFC 9113, 8.1).
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

// Reset gives a stream up. Its owner hears Closed.
func (c *Conn) Reset(s *Stream, code h2.ErrCode) {
	if c.streams[s.ID] != s {
		return
	}
	c.codec.reset(c, s.ID, code)
	c.recent.add(s.ID | wasReset)
	c.drop(s, ResetError{code})
}

// refuse resets a stream that may not be open.
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

// drop forgets a stream.
func (c *Conn) drop(s *Stream, err error) {
	delete(c.streams, s.ID)
	c.unqueue(s)
	if !c.recent.reset(s.ID) {
		c.recent.add(s.ID)
	}
	s.Open, s.out, s.trailers = false, nil, nil
	s.Owner.Closed(err)
}

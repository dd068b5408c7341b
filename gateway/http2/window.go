package http2

import (
	"math"

	h2 "golang.org/x/net/http2"
)

// refresh is how many consumed bytes are collected before a WINDOW_UPDATE is sent.
const refresh = 4 << 10

// inflow is how many bytes a client may still send, on a stream or on all, and how
// many were consumed without a WINDOW_UPDATE.
type inflow struct{ avail, unsent int }

// take counts n bytes from the client. False means that it was not allowed to send
// them.
func (f *inflow) take(n int) bool {
	if n > f.avail {
		return false
	}
	f.avail -= n
	return true
}

// add counts n consumed bytes, and returns how many the next WINDOW_UPDATE is for. 0
// means that none is sent yet.
func (f *inflow) add(n int) int {
	if f.unsent += n; f.unsent < refresh && f.unsent < f.avail {
		return 0
	}
	n = f.unsent
	f.avail, f.unsent = f.avail+n, 0
	return n
}

// Consumed lets the client send n more bytes of a stream's body. It has to be called
// for all bytes that Data has brought.
func (c *Conn) Consumed(s *Stream, n int) {
	c.consumed(n)
	if n == 0 || s.remoteEnded || c.streams[s.ID] != s {
		return
	}
	if more := s.in.add(n); more > 0 {
		c.codec.windowUpdate(c, s.ID, more)
	}
}

// Discarded is Consumed for a stream that has ended meanwhile.
func (c *Conn) Discarded(n int) { c.consumed(n) }

func (c *Conn) consumed(n int) {
	if n == 0 || c.dead {
		return
	}
	if more := c.in.add(n); more > 0 {
		c.codec.windowUpdate(c, 0, more)
	}
}

// windowUpdate enlarges a window for sending (RFC 9113, 6.9).
func (c *Conn) windowUpdate(f *h2.WindowUpdateFrame) error {
	if f.StreamID == 0 {
		if c.window += int64(f.Increment); c.window > math.MaxInt32 {
			return h2.ConnectionError(h2.ErrCodeFlowControl)
		}
		return nil
	}
	s := c.streams[f.StreamID]
	if s == nil {
		if c.idle(f.StreamID) {
			return h2.ConnectionError(h2.ErrCodeProtocol)
		}
		if !c.calm.idle() {
			return h2.ConnectionError(h2.ErrCodeEnhanceYourCalm)
		}
		return nil // sent before the client knew of the stream's end
	}
	if s.window += int64(f.Increment); s.window > math.MaxInt32 {
		return h2.StreamError{StreamID: s.ID, Code: h2.ErrCodeFlowControl}
	}
	return nil
}

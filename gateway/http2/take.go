package http2

import (
	"errors"

	h2 "golang.org/x/net/http2"
)

// take acts on one frame.
func (c *Conn) take(p []byte) {
	f, err := c.codec.read(p)
	switch t := h2.FrameType(p[3]); {
	case err == nil:
		if err = c.inOrder(f.Header()); err == nil {
			err = c.act(f)
		}
	case t == h2.FrameHeaders || t == h2.FrameContinuation:
		c.fail(codeOf(err, h2.ErrCodeFrameSize)) // the block was not decoded, so the next ones cannot be
		return
	}
	if err != nil {
		c.fault(err)
	}
}

// fault answers an error of the client's.
func (c *Conn) fault(err error) {
	var stream h2.StreamError
	if errors.As(err, &stream) {
		c.refuse(stream.StreamID, stream.Code)
		return
	}
	c.fail(codeOf(err, h2.ErrCodeFrameSize)) // the default is for a frame that ends before its padding
}

// codeOf returns the code of an error, or other if it has none.
func codeOf(err error, other h2.ErrCode) h2.ErrCode {
	var stream h2.StreamError
	var all h2.ConnectionError
	switch {
	case errors.As(err, &stream):
		return stream.Code
	case errors.As(err, &all):
		return h2.ErrCode(all)
	}
	return other
}

// inOrder checks that SETTINGS come first, and that nothing comes between the frames
// of one head (RFC 9113, 3.4 and 4.3).
func (c *Conn) inOrder(h h2.FrameHeader) error {
	switch {
	case !c.settled && (h.Type != h2.FrameSettings || h.Flags.Has(h2.FlagSettingsAck)):
		return h2.ConnectionError(h2.ErrCodeProtocol)
	case c.block.id != 0 && (h.Type != h2.FrameContinuation || h.StreamID != c.block.id),
		c.block.id == 0 && h.Type == h2.FrameContinuation:
		return h2.ConnectionError(h2.ErrCodeProtocol)
	}
	return nil
}

func (c *Conn) act(f h2.Frame) error {
	switch f := f.(type) {
	case *h2.DataFrame:
		return c.data(f)
	case *h2.HeadersFrame:
		return c.headers(f)
	case *h2.ContinuationFrame:
		return c.continuation(f)
	case *h2.WindowUpdateFrame:
		return c.windowUpdate(f)
	case *h2.RSTStreamFrame:
		return c.reset(f)
	case *h2.SettingsFrame:
		return c.settings(f)
	case *h2.PushPromiseFrame:
		return h2.ConnectionError(h2.ErrCodeProtocol) // clients must not send this
	}
	if !c.calm.idle() {
		return h2.ConnectionError(h2.ErrCodeEnhanceYourCalm)
	}
	switch f := f.(type) {
	case *h2.PingFrame:
		if !f.IsAck() {
			c.codec.pong(c, f.Data)
		}
	case *h2.PriorityFrame:
		if f.StreamDep == f.StreamID {
			return h2.StreamError{StreamID: f.StreamID, Code: h2.ErrCodeProtocol}
		}
	case *h2.GoAwayFrame:
		c.left = true
	}
	return nil
}

// data takes a part of a body. Unwanted bytes count as consumed.
func (c *Conn) data(f *h2.DataFrame) error {
	id, n, p := f.StreamID, int(f.Length), f.Data()
	s := c.streams[id]
	if s == nil && c.idle(id) {
		return h2.ConnectionError(h2.ErrCodeProtocol)
	}
	if len(p) == 0 && !f.StreamEnded() && !c.calm.idle() {
		return h2.ConnectionError(h2.ErrCodeEnhanceYourCalm)
	}
	if !c.in.take(n) {
		return h2.ConnectionError(h2.ErrCodeFlowControl)
	}
	if s == nil || s.remoteEnded {
		c.consumed(n)
		if s == nil && c.recent.reset(id) {
			return nil // the client does not know yet that it was reset
		}
		return h2.StreamError{StreamID: id, Code: h2.ErrCodeStreamClosed}
	}
	s.got += int64(len(p))
	if s.Head.Length >= 0 && s.got > s.Head.Length {
		c.consumed(n)
		return h2.StreamError{StreamID: id, Code: h2.ErrCodeProtocol}
	}
	if !s.in.take(n) {
		c.consumed(n)
		return h2.StreamError{StreamID: id, Code: h2.ErrCodeFlowControl}
	}
	c.Consumed(s, n-len(p)) // padding
	if len(p) > 0 {
		s.Owner.Data(p)
	}
	if f.StreamEnded() && c.streams[id] == s {
		c.ended(s, nil)
	}
	return nil
}

// reset ends a stream that the client has reset.
func (c *Conn) reset(f *h2.RSTStreamFrame) error {
	s := c.streams[f.StreamID]
	switch {
	case s == nil && c.idle(f.StreamID):
		return h2.ConnectionError(h2.ErrCodeProtocol)
	case !c.calm.reset(c.bounds.Streams):
		return h2.ConnectionError(h2.ErrCodeEnhanceYourCalm)
	case s != nil:
		c.drop(s, ResetError{f.ErrCode})
	}
	return nil
}

// idle reports whether a stream has not been opened yet, or never can be.
func (c *Conn) idle(id uint32) bool { return id > c.last || id%2 == 0 }

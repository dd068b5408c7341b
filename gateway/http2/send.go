package http2

import (
	"github.com/gonicorn/gonicorn/gateway"
	"golang.org/x/net/http2/hpack"
)

// BeginHead starts the head of a response. No other head may be started before
// EndHead, on any connection of the codec.
func (c *Conn) BeginHead() { c.codec.block.Reset() }

// Field adds a field; its name is lower case. A unique field is not remembered for
// later heads.
func (c *Conn) Field(name, value string, unique bool) {
	if unique && len(name) < shortString && len(value) < shortString {
		b := &c.codec.block // not through the encoder: a search in its tables would find nothing
		b.WriteByte(neverIndexed)
		b.WriteByte(byte(len(name)))
		b.WriteString(name)
		b.WriteByte(byte(len(value)))
		b.WriteString(value)
		return
	}
	_ = c.encoder.WriteField(hpack.HeaderField{Name: name, Value: value, Sensitive: unique}) // goes into memory
}

// From RFC 7541.
const (
	neverIndexed = 0x10 // starts a literal that is never indexed, with a new name (6.2.3)
	shortString  = 127  // the length of a string of so many bytes needs more than one byte (5.2)
)

// EndHead writes the head. end says that no body follows.
func (c *Conn) EndHead(s *Stream, end bool) {
	c.codec.head(c, s.ID, end)
	if end {
		s.localEnded = true
		c.over(s)
	}
}

// Send sends a part of a body. With end it is the last, and the trailers follow. If
// Send returns false, some of it has to wait: Owner.Sent is called later. Until then p
// and the trailers must not change, and nothing else may be sent on the stream. The
// stream may be Closed when Send returns.
func (c *Conn) Send(s *Stream, p []byte, end bool, trailers []gateway.Field) bool {
	s.out, s.outEnd, s.trailers = p, end, trailers
	if c.queue.Len() == 0 {
		for c.next(s) {
		}
	}
	if len(s.out) == 0 && !s.outEnd {
		c.over(s)
		return true
	}
	s.turn.Of, s.queued = s, true
	c.queue.Push(&s.turn)
	return false
}

// Moved says that p, which Send got and has not sent, lies elsewhere now.
func (c *Conn) Moved(s *Stream, p []byte) { s.out = p[len(p)-len(s.out):] }

// TakeBack takes back what Send has not sent. It returns how many bytes of p that is.
func (c *Conn) TakeBack(s *Stream) int {
	n := len(s.out)
	c.unqueue(s)
	s.out, s.outEnd, s.trailers = nil, false, nil
	return n
}

func (c *Conn) unqueue(s *Stream) {
	if s.queued {
		c.queue.Remove(&s.turn)
		s.queued = false
	}
}

// next makes one frame of what a stream has to send. False means that it cannot make
// one now.
func (c *Conn) next(s *Stream) bool {
	if len(c.out)-c.from >= outMost || len(s.out) == 0 && !s.outEnd {
		return false
	}
	n := int(max(0, min(int64(len(s.out)), int64(min(c.frame, dataMost)), c.window, s.window)))
	if n == 0 && len(s.out) > 0 {
		return false
	}
	last := n == len(s.out) && s.outEnd
	p := s.out[:n]
	s.out = s.out[n:]
	c.window -= int64(n)
	s.window -= int64(n)
	if n > 0 || len(s.trailers) == 0 {
		c.codec.data(c, s.ID, p, last && len(s.trailers) == 0)
	}
	if last {
		s.outEnd, s.localEnded = false, true
		c.trail(s)
	}
	return true
}

// trail writes the trailers, if there are any.
func (c *Conn) trail(s *Stream) {
	if len(s.trailers) == 0 {
		return
	}
	c.BeginHead()
	for _, f := range s.trailers {
		c.Field(f.Name, f.Value, true)
	}
	c.codec.head(c, s.ID, true)
	s.trailers = nil
}

// Fill makes frames of what waits, as long as there is room. The streams take turns,
// with one frame each.
func (c *Conn) Fill() {
	for going := true; going && !c.dead; {
		going = false
		for n := c.queue.Len(); n > 0 && c.queue.Len() > 0; n-- {
			s := c.queue.First().Of
			made := c.next(s)
			going = going || made
			c.unqueue(s)
			if len(s.out) > 0 || s.outEnd {
				s.queued = true
				c.queue.Push(&s.turn)
				continue
			}
			s.Owner.Sent()
			c.over(s)
		}
	}
}

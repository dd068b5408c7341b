package websocket

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// minDeflate is the smallest size of a message that is compressed.
const minDeflate = 256

// pongMost is how many bytes may wait for a client before its pings are no longer
// answered: it would not read the answers.
const pongMost = 64 << 10

// keepOut is the largest size of an output buffer that is used again.
const keepOut = 4 << 10

// Unsent returns what is to be sent to the client. It is valid until the next method
// is called.
func (c *Conn) Unsent() []byte { return c.out }

// Sent says that n bytes of Unsent were sent.
func (c *Conn) Sent(n int) {
	switch rest := c.out[n:]; {
	case len(rest) > 0:
		c.out = rest
	case cap(c.out) <= keepOut:
		c.out = c.out[:0]
	default:
		c.out = nil
	}
}

// Message sends a message. With more, p is a part of it, and others follow.
func (c *Conn) Message(text bool, p []byte, more bool) {
	if c.closed {
		return
	}
	op := byte(opBinary)
	if text {
		op = opText
	}
	inside := c.inside
	if c.inside = more; inside {
		op = opContinuation
	}
	if c.deflate && !inside && !more && len(p) >= minDeflate {
		packed, release := deflate(p)
		defer release()
		c.put(op, packed, true, true)
		return
	}
	c.put(op, p, !more, false)
}

// Close sends a close frame. Only the first call does; nothing is sent after it.
func (c *Conn) Close(code int, reason string) {
	if !ValidCode(code) {
		code = CodeNormal
	}
	for len(reason) > maxControl-2 || !utf8.ValidString(reason) && reason != "" {
		reason = strings.ToValidUTF8(reason[:min(len(reason), maxControl-2)], "")
	}
	if c.closed {
		return
	}
	c.closed = true
	c.put(opClose, append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...), true, false)
}

func (c *Conn) pong(payload []byte) {
	if !c.closed && len(c.out) <= pongMost {
		c.put(opPong, payload, true, false)
	}
}

// put writes a frame.
func (c *Conn) put(op byte, p []byte, final, deflated bool) {
	first := op
	if final {
		first |= bitFinal
	}
	if deflated {
		first |= bitDeflate
	}
	switch n := len(p); {
	case n < 126:
		c.out = append(c.out, first, byte(n))
	case n < 1<<16:
		c.out = binary.BigEndian.AppendUint16(append(c.out, first, 126), uint16(n))
	default:
		c.out = binary.BigEndian.AppendUint64(append(c.out, first, 127), uint64(n))
	}
	c.out = append(c.out, p...)
}

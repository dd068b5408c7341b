package websocket

import (
	"encoding/binary"
	"net"
	"strings"
	"time"
	"unicode/utf8"
)

// closeTime bounds how long the last words to a client may take.
const closeTime = 5 * time.Second

// minDeflate is from what size messages are compressed.
const minDeflate = 256

// Write sends a message, or with more a part of one.
func (c *Conn) Write(text bool, p []byte, more bool) error {
	op := byte(opBinary)
	if text {
		op = opText
	}
	c.mu.Lock()
	inside := c.inside
	c.inside = more
	c.mu.Unlock()
	if inside {
		op = opContinuation
	}
	if c.deflate && !inside && !more && len(p) >= minDeflate {
		packed, release := deflate(p)
		defer release()
		return c.write(op, packed, true, true)
	}
	return c.write(op, p, !more, false)
}

// WriteClose sends a close frame, once; nothing is sent behind it.
func (c *Conn) WriteClose(code int, reason string) error {
	if !ValidCode(code) {
		code = CodeNormal
	}
	for len(reason) > maxControl-2 || !utf8.ValidString(reason) && reason != "" {
		reason = strings.ToValidUTF8(reason[:min(len(reason), maxControl-2)], "")
	}
	c.mu.Lock()
	said := c.closed
	c.closed = true
	c.mu.Unlock()
	if said {
		return nil
	}
	// A write in progress ends by then as well.
	if err := c.conn.SetWriteDeadline(time.Now().Add(closeTime)); err != nil {
		return err
	}
	return c.send(opClose, append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...), true, false)
}

// write sends a frame unless a close frame has gone out.
func (c *Conn) write(op byte, p []byte, final, deflated bool) error {
	c.mu.Lock()
	closed := c.closed
	c.mu.Unlock()
	if closed {
		return net.ErrClosed
	}
	return c.send(op, p, final, deflated)
}

// ping asks the client for a sign of life, unless a message is being written:
// a client that takes one is alive, and there is a bound for one that does not.
func (c *Conn) ping() error {
	if !c.mu.TryLock() {
		c.pinged = false
		return nil
	}
	defer c.mu.Unlock()
	if c.closed {
		return nil // it is the close frame that is waited for
	}
	return c.put(opPing, nil, true, false)
}

func (c *Conn) send(op byte, p []byte, final, deflated bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.put(op, p, final, deflated)
}

// put writes a frame. The caller holds c.mu.
func (c *Conn) put(op byte, p []byte, final, deflated bool) error {
	if most := c.config.WriteTimeout; most > 0 && !c.closed {
		if now := time.Now(); c.writeBy.Sub(now) < most-most/8 {
			c.writeBy = now.Add(most)
			if err := c.conn.SetWriteDeadline(c.writeBy); err != nil {
				return err
			}
		}
	}
	h := c.head[:2]
	h[0] = op
	if final {
		h[0] |= bitFinal
	}
	if deflated {
		h[0] |= bitDeflate
	}
	switch n := len(p); {
	case n < 126:
		h[1] = byte(n)
	case n < 1<<16:
		h[1] = 126
		h = binary.BigEndian.AppendUint16(h, uint16(n))
	default:
		h[1] = 127
		h = binary.BigEndian.AppendUint64(h, uint64(n))
	}
	if len(p) <= 4096 { // one packet and one call
		_, err := c.conn.Write(append(append(make([]byte, 0, len(h)+len(p)), h...), p...))
		return err
	}
	if _, err := c.conn.Write(h); err != nil {
		return err
	}
	_, err := c.conn.Write(p)
	return err
}

// unmask undoes the client's mask (RFC 6455 section 5.3); at is where in the
// mask p begins.
func unmask(p []byte, mask [4]byte, at int) {
	var wide [8]byte
	for i := range wide {
		wide[i] = mask[(at+i)&3]
	}
	key := binary.LittleEndian.Uint64(wide[:])
	i := 0
	for ; i+8 <= len(p); i += 8 {
		binary.LittleEndian.PutUint64(p[i:], binary.LittleEndian.Uint64(p[i:])^key)
	}
	for ; i < len(p); i++ {
		p[i] ^= wide[i&7]
	}
}

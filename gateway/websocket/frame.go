package websocket

import (
	"encoding/binary"
	"unicode/utf8"
)

// maxHead is how long the head of a frame may be.
const maxHead = 14

// frame is a frame that is being read.
type frame struct {
	head            [maxHead]byte // the first headLen bytes have come, while it is incomplete
	headLen         int
	headed          bool // the head is complete, and the payload is not
	final, deflated bool
	op              byte
	length          int64 // of the payload
	at              int64 // bytes of the payload so far
	mask            [4]byte
	control         [maxControl]byte // the payload of a control frame
}

// begun reports whether there is an incomplete frame.
func (f *frame) begun() bool { return f.headed || f.headLen > 0 }

// step takes bytes of a frame. 0 means that the sink has no room.
func (c *Conn) step(p []byte) (n int, err error) {
	if !c.headed {
		if c.headLen == 0 && !c.going && !c.to.Ready() {
			return 0, nil
		}
		if n, err = c.readHead(p); err != nil || !c.headed {
			return n, err
		}
		p = p[n:]
	}
	if c.op >= opClose {
		k, err := c.readControl(p)
		return n + k, err
	}
	k, err := c.readPayload(p)
	return n + k, err
}

// readHead takes bytes of a frame's head.
func (c *Conn) readHead(p []byte) (n int, err error) {
	head := p
	if c.headLen > 0 {
		n = copy(c.head[c.headLen:], p)
		head = c.head[:c.headLen+n]
	}
	size, err := c.parseHead(head)
	if err != nil {
		return n, err
	}
	if size == 0 {
		if c.headLen == 0 {
			n = copy(c.head[:], p)
		}
		c.headLen += n
		return n, nil
	}
	n = size - c.headLen
	c.headLen = 0
	c.headed, c.at = true, 0
	if c.op < opClose {
		err = c.beginFrame()
	}
	return n, err
}

// parseHead parses the head of a frame. It returns the head's length, or 0 while the
// head is incomplete.
func (c *Conn) parseHead(b []byte) (size int, err error) {
	if len(b) < 2 {
		return 0, nil
	}
	f := &c.frame
	f.final, f.deflated, f.op, f.length = b[0]&bitFinal != 0, b[0]&bitDeflate != 0, b[0]&0x0f, int64(b[1]&0x7f)
	switch {
	case b[0]&0x30 != 0, f.deflated && !c.deflate, f.deflated && f.op >= opClose:
		return 0, &CloseError{Code: CodeProtocol, Reason: "reserved bit"}
	case f.op > opBinary && f.op < opClose, f.op > opPong:
		return 0, &CloseError{Code: CodeProtocol, Reason: "unknown opcode"}
	case b[1]&bitMask == 0:
		return 0, &CloseError{Code: CodeProtocol, Reason: "frame without a mask"}
	case f.op >= opClose && (f.length > maxControl || !f.final):
		return 0, &CloseError{Code: CodeProtocol, Reason: "control frame too long"}
	}
	at := 2
	switch f.length { // it must have the shortest form (RFC 6455 section 5.2)
	case 126:
		if at = 4; len(b) < at {
			return 0, nil
		}
		if f.length = int64(binary.BigEndian.Uint16(b[2:])); f.length < 126 {
			return 0, errLength
		}
	case 127:
		if at = 10; len(b) < at {
			return 0, nil
		}
		if f.length = int64(binary.BigEndian.Uint64(b[2:])); f.length < 1<<16 {
			return 0, errLength
		}
	}
	if len(b) < at+4 {
		return 0, nil
	}
	copy(f.mask[:], b[at:])
	return at + 4, nil
}

var errLength = &CloseError{Code: CodeProtocol, Reason: "frame length"}

// readControl takes bytes of a control frame's payload, and answers the frame once it
// is complete.
func (c *Conn) readControl(p []byte) (n int, err error) {
	n = copy(c.control[c.at:c.length], p)
	if c.at += int64(n); c.at < c.length {
		return n, nil
	}
	c.headed = false
	payload := c.control[:c.length]
	unmask(payload, c.mask, 0)
	switch c.op {
	case opPing:
		c.pong(payload)
		return n, nil
	case opPong:
		return n, nil
	}
	return n, closedBy(payload)
}

// closedBy parses the client's close frame and returns what the app is told.
func closedBy(payload []byte) error {
	if len(payload) == 0 {
		return &CloseError{Code: CodeNoStatus, Asked: true}
	}
	if len(payload) == 1 {
		return &CloseError{Code: CodeProtocol, Reason: "close frame of one byte"}
	}
	code := int(binary.BigEndian.Uint16(payload))
	if !ValidCode(code) {
		return &CloseError{Code: CodeProtocol, Reason: "close code"}
	}
	if !utf8.Valid(payload[2:]) {
		return &CloseError{Code: CodeInvalidData, Reason: "close reason is not UTF-8"}
	}
	return &CloseError{Code: code, Reason: string(payload[2:]), Asked: true}
}

// unmask undoes the client's mask (RFC 6455 section 5.3); at is the offset in the
// mask at which p begins.
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

package websocket

import (
	"context"
	"encoding/binary"
	"io"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gonicorn/gonicorn/gateway/budget"
)

// PartSize is how many bytes of a message are handed on at once.
const PartSize = 16 << 10

// Part is some of a message. Data is valid until take returns.
type Part struct {
	Text bool // the message is; otherwise it is binary
	Last bool // the message is complete
	Size int  // bytes of the message's parts up to this one
	Data []byte
}

// frame is the head of a frame.
type frame struct {
	final, deflated bool
	op              byte
	length          int64
	mask            [4]byte
}

// parts hold what has come of a message. A connection has one only while a
// message is on its way.
var parts = sync.Pool{New: func() any { return new([PartSize]byte) }}

// message is one that is being read.
type message struct {
	c    *Conn
	ctx  context.Context
	take func(Part) error

	text, deflated bool
	size           int64     // bytes of all frames so far
	due            time.Time // when more must have come; zero for a message that holds little
	part           *[PartSize]byte
	n              int               // of part
	packed         []*[PartSize]byte // full parts of a compressed message
	utf8           utf8Check
	given          int // bytes handed on
}

func (m *message) release() {
	if m.part != nil {
		parts.Put(m.part)
	}
	for _, p := range m.packed {
		parts.Put(p)
	}
	if m.c.account != nil && len(m.packed) > 0 {
		m.c.account.Close()
	}
}

// read reads frames up to the end of a message.
func (m *message) read() error {
	c := m.c
	for first := true; ; {
		c.due = m.due
		f, err := c.readHead()
		if err != nil {
			return err
		}
		if f.op >= opClose {
			if err := c.control(f); err != nil {
				return err
			}
			continue
		}
		if (f.op == opContinuation) == first || !first && f.deflated {
			return &CloseError{Code: CodeProtocol, Reason: "fragment out of order"}
		}
		if first {
			m.text, m.deflated, first = f.op == opText, f.deflated, false
		}
		if err := m.payload(f); err != nil {
			return err
		}
		if f.final {
			return m.end()
		}
	}
}

// payload reads a frame's payload as it comes. Memory grows with what arrives,
// not with what was announced.
func (m *message) payload(f frame) error {
	most := m.c.config.MaxMessage
	if m.deflated && most > 0 {
		most += most>>8 + 1024 // what cannot be compressed grows a little
	}
	if most > 0 && f.length > most-m.size {
		return &CloseError{Code: CodeTooBig, Reason: "message too big"}
	}
	m.size += f.length
	for at := int64(0); at < f.length; {
		if err := m.room(); err != nil {
			return err
		}
		m.c.begin()
		n, err := m.c.r.Read(m.part[m.n:min(PartSize, int64(m.n)+f.length-at)])
		if err != nil {
			return err
		}
		got := m.part[m.n : m.n+n]
		unmask(got, f.mask, int(at&3))
		if m.text && !m.deflated && !m.utf8.add(got) {
			return errNotUTF8
		}
		m.n += n
		at += int64(n)
	}
	if m.given > 0 || len(m.packed) > 0 {
		m.due = m.c.due
	}
	m.c.frameEnds()
	return nil
}

var errNotUTF8 = &CloseError{Code: CodeInvalidData, Reason: "text is not UTF-8"}

// room makes room for more of the message.
func (m *message) room() error {
	if m.part == nil {
		m.part = parts.Get().(*[PartSize]byte)
		return nil
	}
	if m.n < PartSize {
		return nil
	}
	if !m.deflated {
		return m.hand(false)
	}
	if m.c.account != nil {
		if err := Take(m.ctx, m.c.account, PartSize); err != nil {
			return err
		}
	}
	m.packed = append(m.packed, m.part)
	m.part, m.n = parts.Get().(*[PartSize]byte), 0
	return nil
}

// hand hands the part on.
func (m *message) hand(last bool) error {
	var data []byte
	if m.part != nil {
		data = m.part[:m.n]
	}
	m.given += m.n
	m.n = 0
	if err := m.take(Part{Text: m.text, Last: last, Size: m.given, Data: data}); err != nil {
		return takeError{err}
	}
	return nil
}

// busyTime is how long a message waits for memory that others hold.
const busyTime = time.Minute

// Take takes n from an account. When others do not give it back in time, the
// error is a *CloseError.
func Take(ctx context.Context, a *budget.Account, n int64) error {
	if a.Try(n) {
		return nil
	}
	limited, cancel := context.WithTimeoutCause(ctx, busyTime, &CloseError{Code: CodeTryAgain, Reason: "out of memory for messages"})
	defer cancel()
	return a.Take(limited, n)
}

func (m *message) end() error {
	if m.deflated {
		return m.inflate()
	}
	if m.text && !m.utf8.done() {
		return errNotUTF8
	}
	return m.hand(true)
}

// readHead reads the head of a frame.
func (c *Conn) readHead() (f frame, err error) {
	var b [8]byte
	if b[0], err = c.r.ReadByte(); err != nil {
		return f, err
	}
	c.begin()
	if b[1], err = c.r.ReadByte(); err != nil {
		return f, err
	}
	f = frame{final: b[0]&bitFinal != 0, deflated: b[0]&bitDeflate != 0, op: b[0] & 0x0f, length: int64(b[1] & 0x7f)}
	masked := b[1]&bitMask != 0
	switch {
	case b[0]&0x30 != 0, f.deflated && !c.deflate, f.deflated && f.op >= opClose:
		return f, &CloseError{Code: CodeProtocol, Reason: "reserved bit"}
	case f.op > opBinary && f.op < opClose, f.op > opPong:
		return f, &CloseError{Code: CodeProtocol, Reason: "unknown opcode"}
	case !masked:
		return f, &CloseError{Code: CodeProtocol, Reason: "frame without a mask"}
	case f.op >= opClose && (f.length > maxControl || !f.final):
		return f, &CloseError{Code: CodeProtocol, Reason: "control frame too long"}
	}
	if f.length, err = c.readLength(f.length); err != nil {
		return f, err
	}
	if _, err = io.ReadFull(c.r, f.mask[:]); err == nil && f.length == 0 {
		c.frameEnds()
	}
	return f, err
}

// readLength reads the length of a frame behind its first seven bits. It must
// be the shortest of the forms (RFC 6455 section 5.2).
func (c *Conn) readLength(short int64) (int64, error) {
	var b [8]byte
	switch short {
	default:
		return short, nil
	case 126:
		if _, err := io.ReadFull(c.r, b[:2]); err != nil {
			return 0, err
		}
		if n := int64(binary.BigEndian.Uint16(b[:2])); n >= 126 {
			return n, nil
		}
	case 127:
		if _, err := io.ReadFull(c.r, b[:8]); err != nil {
			return 0, err
		}
		if n := int64(binary.BigEndian.Uint64(b[:8])); n >= 1<<16 {
			return n, nil
		}
	}
	return 0, &CloseError{Code: CodeProtocol, Reason: "frame length"}
}

// control answers a control frame.
func (c *Conn) control(f frame) error {
	var b [maxControl]byte
	payload := b[:f.length]
	if _, err := io.ReadFull(c.r, payload); err != nil {
		return err
	}
	c.frameEnds()
	unmask(payload, f.mask, 0)
	switch f.op {
	case opPing:
		return c.write(opPong, payload, true, false)
	case opPong:
		return nil
	}
	return c.closedBy(payload)
}

// closedBy reads the client's close frame and returns what the app is told.
func (c *Conn) closedBy(payload []byte) error {
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

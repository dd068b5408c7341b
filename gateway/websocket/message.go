package websocket

import (
	"io"
	"sync"
	"unicode/utf8"
)

// PartSize is how many bytes of a message are handed on at once.
const PartSize = 16 << 10

// Part is some of a message. Data is valid until Sink.Part returns.
type Part struct {
	Text bool // the message is; otherwise it is binary
	Last bool // the message is complete
	Size int  // bytes of the message's parts up to this one
	Data []byte
}

// parts hold what has come of a message. A connection has one only while a
// message is on its way.
var parts = sync.Pool{New: func() any { return new([PartSize]byte) }}

// step of a message that waits for the sink.
type step int

const (
	none      step = iota
	hand           // the part, which is full
	last           // the part, which ends the message
	hold           // the part of a compressed message, which is full
	inflate        // the message is complete, and begins to be decompressed
	inflating      // likewise, and has begun
)

// message is one that is being read.
type message struct {
	going   bool // it has begun
	text    bool
	packs   bool  // it is compressed
	size    int64 // bytes of all frames so far
	part    *[PartSize]byte
	n       int               // of part
	packed  []*[PartSize]byte // full parts of a compressed message
	check   utf8Check
	given   int // bytes handed on
	waiting step
	reader  io.ReadCloser   // decompresses it
	tail    *[PartSize]byte // the last part of a compressed message
	holds   bool            // the sink is to be told of the end
}

// release gives back what the message holds.
func (c *Conn) release() {
	m := &c.message
	for _, p := range [...]*[PartSize]byte{m.part, m.tail} {
		if p != nil {
			parts.Put(p)
		}
	}
	for _, p := range m.packed {
		parts.Put(p)
	}
	if m.reader != nil {
		inflaters.Put(m.reader)
	}
	if m.holds {
		c.to.Released()
	}
	*m = message{}
}

// beginFrame takes the head of a frame of a message.
func (c *Conn) beginFrame() error {
	m := &c.message
	if (c.op == opContinuation) != m.going || m.going && c.deflated {
		return &CloseError{Code: CodeProtocol, Reason: "fragment out of order"}
	}
	if !m.going {
		m.going, m.text, m.packs = true, c.op == opText, c.deflated
	}
	most := c.config.MaxMessage
	if m.packs && most > 0 {
		most += most>>8 + 1024 // what cannot be compressed grows a little
	}
	if most > 0 && c.length > most-m.size {
		return errTooBig
	}
	m.size += c.length
	if c.length == 0 {
		return c.endFrame()
	}
	return nil
}

var (
	errTooBig  = &CloseError{Code: CodeTooBig, Reason: "message too big"}
	errNotUTF8 = &CloseError{Code: CodeInvalidData, Reason: "text is not UTF-8"}
)

// readPayload takes bytes of a frame's payload as they come. Memory grows with what
// arrives, not with what was announced.
func (c *Conn) readPayload(p []byte) (n int, err error) {
	m := &c.message
	if !c.headed { // it had none
		return 0, nil
	}
	if whole, err := c.readWhole(p); whole || err != nil {
		return int(c.length), err
	}
	for c.headed && len(p) > 0 && m.waiting == none {
		if m.part == nil {
			m.part = parts.Get().(*[PartSize]byte)
		}
		k := copy(m.part[m.n:], p[:min(int64(len(p)), c.length-c.at)])
		got := m.part[m.n : m.n+k]
		unmask(got, c.mask, int(c.at&3))
		if m.text && !m.packs && !m.check.add(got) {
			return n, errNotUTF8
		}
		m.n += k
		c.at += int64(k)
		n, p = n+k, p[k:]
		switch {
		case c.at == c.length:
			err = c.endFrame()
		case m.n == PartSize:
			err = c.full()
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// readWhole hands a short message on that is whole, from where it is. The sink must
// have room for it.
func (c *Conn) readWhole(p []byte) (bool, error) {
	m := &c.message
	if !c.final || m.packs || m.size != c.length || c.at > 0 || c.length > PartSize || int64(len(p)) < c.length || !c.to.Room(int(c.length)) {
		return false, nil
	}
	p = p[:c.length]
	unmask(p, c.mask, 0)
	if m.text && !utf8.Valid(p) {
		return false, errNotUTF8
	}
	text := m.text
	c.headed = false
	*m = message{}
	c.to.Part(Part{Text: text, Last: true, Size: len(p), Data: p})
	return true, nil
}

// endFrame ends a frame, and the message if it was the last.
func (c *Conn) endFrame() error {
	m := &c.message
	c.headed = false
	switch {
	case !c.final && m.n == PartSize:
		return c.full()
	case !c.final:
		return nil
	case m.packs && m.size > 0:
		m.waiting = inflate
		return nil
	case m.text && !m.check.done():
		return errNotUTF8
	}
	m.waiting = last // a compressed message of nothing is one of nothing, as zlib has it
	return nil
}

// full is called when the part is.
func (c *Conn) full() error {
	if c.waiting = hand; c.packs {
		c.waiting = hold
	}
	return nil
}

// settle does what the message has waited for. False means that the sink cannot.
func (c *Conn) settle() (bool, error) {
	m := &c.message
	for m.waiting != none {
		switch m.waiting {
		case hand, last:
			if !c.to.Room(m.n) {
				return false, nil
			}
			c.handOn()
		case hold:
			m.holds = true
			if !c.to.Hold(PartSize) {
				return false, nil
			}
			m.packed = append(m.packed, m.part)
			m.part, m.n, m.waiting = parts.Get().(*[PartSize]byte), 0, none
		case inflate:
			m.holds = true
			if !c.to.Inflate() {
				return false, nil
			}
			if err := c.beginInflating(); err != nil {
				return false, err
			}
		case inflating:
			if !c.to.Turn() {
				return false, nil
			}
			if err := c.inflateSome(); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// handOn hands on the part, for which there is room.
func (c *Conn) handOn() {
	m := &c.message
	var data []byte
	if m.part != nil {
		data = m.part[:m.n]
	}
	ended := m.waiting == last
	m.given += m.n
	p := Part{Text: m.text, Last: ended, Size: m.given, Data: data}
	m.n, m.waiting = 0, none
	if m.reader != nil {
		m.waiting = inflating
	}
	c.to.Part(p)
	if ended {
		c.release()
	}
}

package websocket

import (
	"io"
	"sync"
	"unicode/utf8"
)

// PartSize is the largest number of bytes of a message that are handed on at once.
const PartSize = 16 << 10

// Part is a part of a message. Data is valid until Sink.Part returns.
type Part struct {
	Text bool // the message is text; otherwise it is binary
	Last bool // the message ends with this part
	Size int  // bytes of the message so far, including this part
	Data []byte
}

// parts is a pool of buffers for messages. A connection has one only while it reads
// a message.
var parts = sync.Pool{New: func() any { return new([PartSize]byte) }}

// step is what a message waits for the sink to do.
type step int

const (
	none      step = iota
	hand           // take a full part
	last           // take the part that ends the message
	hold           // allow another part of a compressed message in memory
	inflate        // allow a complete message to be decompressed
	inflating      // allow the decompression to continue
)

// message is the message that is being read.
type message struct {
	going   bool // it has begun
	text    bool
	packs   bool  // it is compressed
	size    int64 // payload bytes of its frames, with the current one
	part    *[PartSize]byte
	n       int               // bytes in part
	packed  []*[PartSize]byte // full parts of a compressed message
	check   utf8Check
	given   int // bytes handed on
	waiting step
	reader  io.ReadCloser   // decompresses the message
	tail    *[PartSize]byte // the last part of a compressed message
	holds   bool            // Sink.Released has to be called at the end
}

// release frees what the message holds.
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

// beginFrame checks the head of a data frame.
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
		most += most>>8 + 1024 // incompressible data grows a little
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
	if !c.headed { // the frame had no payload
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

// readWhole hands on a short message that is complete in p, without copying it. It
// does nothing if the sink has no room for it.
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

// endFrame ends a frame, and the message if this was its last frame.
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
	m.waiting = last // as in zlib, a compressed message without bytes is an empty message
	return nil
}

// full is called when the part is full.
func (c *Conn) full() error {
	if c.waiting = hand; c.packs {
		c.waiting = hold
	}
	return nil
}

// settle does the step that the message waits for. False means that the sink does not
// allow it yet.
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

// handOn hands the part to the sink, which has room for it.
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

package http2

import (
	"bytes"

	h2 "golang.org/x/net/http2"
)

// Codec reads and writes frames. All connections of one thread share one.
type Codec struct {
	framer *h2.Framer
	in     []byte // the frame that is being read
	out    *Conn  // the connection for which a frame is being written
	block  bytes.Buffer
}

// NewCodec makes a codec.
func NewCodec() *Codec {
	k := &Codec{}
	k.framer = h2.NewFramer((*sink)(k), (*source)(k))
	k.framer.AllowIllegalReads = true // Conn.take checks the order of frames, which is different for each connection
	k.framer.SetReuseFrames()
	return k
}

// source is a codec's in as an io.Reader. sink is the output of its current connection
// as an io.Writer.
type (
	source Codec
	sink   Codec
)

func (s *source) Read(p []byte) (int, error) {
	n := copy(p, s.in)
	s.in = s.in[n:]
	return n, nil
}

func (s *sink) Write(p []byte) (int, error) {
	c := s.out
	if c.out == nil {
		c.out = c.events.Buffer()[:0]
	}
	c.out = append(c.out, p...)
	return len(p), nil
}

// read parses a whole frame. The result is valid until the next call.
func (k *Codec) read(p []byte) (h2.Frame, error) {
	k.in = p
	return k.framer.ReadFrame()
}

// Writes never fail: they go into memory, and their contents have been checked.

func (k *Codec) settings(c *Conn, all ...h2.Setting) {
	k.out = c
	_ = k.framer.WriteSettings(all...)
}

func (k *Codec) settingsAck(c *Conn) {
	k.out = c
	_ = k.framer.WriteSettingsAck()
}

func (k *Codec) pong(c *Conn, data [8]byte) {
	k.out = c
	_ = k.framer.WritePing(true, data)
}

func (k *Codec) goAway(c *Conn, last uint32, code h2.ErrCode) {
	k.out = c
	_ = k.framer.WriteGoAway(last, code, nil)
}

func (k *Codec) reset(c *Conn, id uint32, code h2.ErrCode) {
	k.out = c
	_ = k.framer.WriteRSTStream(id, code)
}

func (k *Codec) windowUpdate(c *Conn, id uint32, n int) {
	k.out = c
	_ = k.framer.WriteWindowUpdate(id, uint32(n))
}

func (k *Codec) data(c *Conn, id uint32, p []byte, end bool) {
	k.out = c
	_ = k.framer.WriteData(id, end, p)
}

// head writes the encoded block, in frames that are not too large for the client.
func (k *Codec) head(c *Conn, id uint32, end bool) {
	k.out = c
	p := k.block.Bytes()
	first := p[:min(len(p), c.frame)]
	p = p[len(first):]
	_ = k.framer.WriteHeaders(h2.HeadersFrameParam{StreamID: id, BlockFragment: first, EndStream: end, EndHeaders: len(p) == 0})
	for len(p) > 0 {
		next := p[:min(len(p), c.frame)]
		p = p[len(next):]
		_ = k.framer.WriteContinuation(id, len(p) == 0, next)
	}
}

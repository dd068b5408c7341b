// Package http2 is the server's end of an HTTP/2 connection (RFC 9113) as a state
// machine without I/O. Bytes from the client go in; requests, and bytes for the
// client, come out. It reads no clock, waits for nothing, and belongs to one thread.
package http2

import (
	"errors"
	"time"

	h2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	frameHead = 9        // bytes of every frame's head (RFC 9113, 4.1)
	outMost   = 64 << 10 // unsent bytes at which no more DATA is made; at twice as many nothing more is read
	dataMost  = 16 << 10 // bytes of the largest DATA frame that is sent
	allIDs    = 1<<31 - 1
)

// Bounds are the limits that the server sets for one connection.
type Bounds struct {
	Streams    int  // streams open at once
	Window     int  // bytes of one stream's body that are not consumed
	All        int  // bytes of all bodies that are not consumed
	Frame      int  // bytes of a frame
	HeaderList int  // bytes of a request's fields, as SETTINGS_MAX_HEADER_LIST_SIZE counts
	Connect    bool // accept WebSockets (RFC 8441)
}

// Events is implemented by the code that serves a connection.
type Events interface {
	// Open lends a stream, with its Owner set, for a new request. Nil refuses the
	// request; the client may send it again.
	Open() *Stream
	// Buffer lends memory for what is to be sent, until Wrote returns it.
	Buffer() []byte
}

// ErrGone says that a stream has ended because its connection has.
var ErrGone = errors.New("the connection has ended")

// ResetError says that a stream was reset, by the client or by the server.
type ResetError struct{ Code h2.ErrCode }

// Error names the code.
func (e ResetError) Error() string { return "stream reset: " + e.Code.String() }

// Conn is one connection.
type Conn struct {
	codec  *Codec
	bounds *Bounds
	events Events
	coding
	stage

	streams map[uint32]*Stream
	last    uint32 // the client's highest stream
	recent  recent
	block   block // the head that is being read
	calm    calm
	in      inflow
	outflow
	output
}

// coding is the compression of heads, in both directions.
type coding struct {
	decoder *hpack.Decoder
	encoder *hpack.Encoder
}

// stage is the state of a connection.
type stage struct {
	prefaced bool // the client's preface has been read
	settled  bool // the client's first SETTINGS have been read
	unacked  int  // SETTINGS frames that the client has not acknowledged
	left     bool // the client has sent GOAWAY
	refusing bool // new streams are refused
	dead     bool // nothing more is read, and nothing sent except out
}

// outflow is how much the client accepts.
type outflow struct {
	window  int64 // bytes that may be sent on all streams
	initial int64 // window of a new stream
	frame   int   // bytes of the largest frame
	queue   queue // streams with something to send
}

// output is what is sent to the client next.
type output struct {
	out  []byte // nil if there is nothing
	from int    // bytes of out that were sent
}

// New starts a connection. preface says that the client's preface was already read.
func New(codec *Codec, b *Bounds, e Events, preface bool) *Conn {
	c := &Conn{
		codec: codec, bounds: b, events: e, stage: stage{prefaced: preface}, streams: map[uint32]*Stream{},
		outflow: outflow{window: 65535, initial: 65535, frame: 16384}, in: inflow{avail: 65535},
	}
	c.decoder = hpack.NewDecoder(4096, c.field)
	c.decoder.SetMaxStringLength(b.HeaderList)
	c.encoder = hpack.NewEncoder(&codec.block)
	c.begin()
	return c
}

// Feed takes bytes that the client has sent, and returns how many it has used. It uses
// whole frames only. It stops early while the client does not take what is sent.
func (c *Conn) Feed(p []byte, now time.Time) (used int) {
	c.calm.begin(now)
	for !c.dead && len(c.Out()) < 2*outMost {
		rest := p[used:]
		if !c.prefaced {
			n := min(len(rest), len(h2.ClientPreface))
			if string(rest[:n]) != h2.ClientPreface[:n] {
				c.fail(h2.ErrCodeProtocol)
				break
			}
			if n < len(h2.ClientPreface) {
				return used
			}
			c.prefaced = true
			used += n
			continue
		}
		if len(rest) < frameHead {
			return used
		}
		n := int(rest[0])<<16 | int(rest[1])<<8 | int(rest[2])
		if n > c.bounds.Frame {
			c.fail(h2.ErrCodeFrameSize)
			break
		}
		if len(rest) < frameHead+n {
			return used
		}
		used += frameHead + n
		c.take(rest[:frameHead+n])
	}
	if c.dead {
		return len(p)
	}
	return used
}

// Preface is what an HTTP/2 client sends first (RFC 9113, 3.4).
const Preface = h2.ClientPreface

// Greeted reports whether the client has sent its preface and its settings.
func (c *Conn) Greeted() bool { return c.settled }

// Dead reports whether the connection has to be closed once Out was sent.
func (c *Conn) Dead() bool { return c.dead }

// Left reports whether the client sends no more requests.
func (c *Conn) Left() bool { return c.left || c.dead }

// Streams returns how many streams are open.
func (c *Conn) Streams() int { return len(c.streams) }

// InHead reports whether a head is being read, and how many bytes its fields have so
// far.
func (c *Conn) InHead() (bool, int) { return c.block.id != 0, c.block.size }

// Out returns what is to be sent to the client now.
func (c *Conn) Out() []byte { return c.out[c.from:] }

// Wrote says that n bytes of Out were sent. Once all of Out was sent, it returns the
// buffer.
func (c *Conn) Wrote(n int) (free []byte) {
	if c.from += n; c.from < len(c.out) {
		if left := len(c.out) - c.from; c.from >= outMost && c.from >= left { // else the buffer would only grow
			c.out = c.out[:copy(c.out, c.out[c.from:])]
			c.from = 0
		}
		return nil
	}
	free, c.out, c.from = c.out, nil, 0
	return free
}

// Leave sends GOAWAY, which tells the client to send new requests elsewhere. Requests
// that it sends before it reads that are served.
func (c *Conn) Leave() {
	if !c.dead {
		c.codec.goAway(c, allIDs, h2.ErrCodeNo)
	}
}

// Refuse refuses all further requests. The client may send them elsewhere.
func (c *Conn) Refuse() { c.refusing = true }

// Part ends a connection that has no streams left.
func (c *Conn) Part() { c.fail(h2.ErrCodeNo) }

// Calm ends a connection that costs too much.
func (c *Conn) Calm() { c.fail(h2.ErrCodeEnhanceYourCalm) }

// fail ends the connection with GOAWAY.
func (c *Conn) fail(code h2.ErrCode) {
	if c.dead {
		return
	}
	c.dead = true
	c.codec.goAway(c, c.last, code)
	c.Abort()
}

// Abort ends all streams, since the connection has ended.
func (c *Conn) Abort() {
	c.dead = true
	for _, s := range c.streams {
		c.drop(s, ErrGone)
	}
}

// Package http2 is the server's end of an HTTP/2 connection (RFC 9113) as a state
// machine without I/O: bytes of a client go in, requests and bytes for the client
// come out. It reads no clock, waits for nothing, and belongs to one thread.
package http2

import (
	"errors"
	"time"

	h2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	frameHead = 9        // bytes of every frame's head (RFC 9113, 4.1)
	outMost   = 64 << 10 // bytes for the client above which nothing more is made or read
	dataMost  = 16 << 10 // bytes of a DATA frame that is sent
	allIDs    = 1<<31 - 1
)

// Bounds are what the server's end takes of one connection.
type Bounds struct {
	Streams    int  // open at once
	Window     int  // bytes of one stream's body under way
	All        int  // bytes of all bodies under way
	Frame      int  // bytes of a frame
	HeaderList int  // bytes of a request's fields, as SETTINGS_MAX_HEADER_LIST_SIZE counts
	Connect    bool // take WebSockets (RFC 8441)
}

// Events is who serves a connection.
type Events interface {
	// Open lends a stream for a request that begins, with its Owner set; nil
	// refuses the request, which the client may send again.
	Open() *Stream
	// Buffer lends memory for what is to be sent, until Wrote has returned true.
	Buffer() []byte
}

// ErrGone says that the connection has ended under a stream.
var ErrGone = errors.New("the connection has ended")

// ResetError says that a stream was given up, by the client or for its mistakes.
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

// stage is how far a connection is.
type stage struct {
	prefaced bool // the client's preface has been read
	settled  bool // and its first SETTINGS
	unacked  int  // SETTINGS of ours that the client has not taken note of
	left     bool // the client has sent GOAWAY
	refusing bool // new streams
	dead     bool // nothing more is read or sent but what is in out
}

// outflow is what the client takes.
type outflow struct {
	window  int64 // bytes that may be sent on all streams
	initial int64 // that a stream begins with
	frame   int   // bytes of the largest frame
	queue   queue // of streams with something to be sent
}

// output is what the client gets next.
type output struct {
	out  []byte // nil while there is nothing
	from int    // what has been written of it
}

// New begins a connection. preface says that the client's was read already.
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

// Feed takes what the client has sent and returns how much of it was used: whole
// frames. It stops early while the client does not take what it is sent.
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

// Preface is what a client begins with that speaks HTTP/2 (RFC 9113, 3.4).
const Preface = h2.ClientPreface

// Greeted reports whether the client has sent its preface and its settings.
func (c *Conn) Greeted() bool { return c.settled }

// Dead reports whether the connection is to be closed once Out is written.
func (c *Conn) Dead() bool { return c.dead }

// Left reports whether the client brings no more requests.
func (c *Conn) Left() bool { return c.left || c.dead }

// Streams counts those that are open.
func (c *Conn) Streams() int { return len(c.streams) }

// InHead reports whether a request's head is being read, and how many bytes its
// fields have so far.
func (c *Conn) InHead() (bool, int) { return c.block.id != 0, c.block.size }

// Out is what is to be sent to the client now.
func (c *Conn) Out() []byte { return c.out[c.from:] }

// Wrote takes note that n bytes of Out were sent. It returns the buffer once all
// of it were.
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

// Leave tells the client to bring its next requests elsewhere. What it sends
// until it knows is served.
func (c *Conn) Leave() {
	if !c.dead {
		c.codec.goAway(c, allIDs, h2.ErrCodeNo)
	}
}

// Refuse refuses all further requests, which the client may send elsewhere.
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

// Abort ends all streams, as the connection has ended.
func (c *Conn) Abort() {
	c.dead = true
	for _, s := range c.streams {
		c.drop(s, ErrGone)
	}
}

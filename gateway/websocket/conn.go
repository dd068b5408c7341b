package websocket

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gonicorn/gonicorn/gateway/budget"
)

// Config has a connection's settings and limits. A duration of 0 means no limit.
type Config struct {
	MaxMessage   int64         // bytes of one message, decompressed; 0 is no bound
	Deflate      bool          // accept permessage-deflate if it is offered
	PingInterval time.Duration // how long a client may be silent before it is pinged
	PingTimeout  time.Duration // how long it may take to answer the ping
	FrameTimeout time.Duration // how long the next part of an incomplete frame or message may take
	WriteTimeout time.Duration // how long a client may take nothing of what is sent

	// Memory bounds what incomplete compressed messages of all connections may
	// hold, beyond PartSize each; nil is no bound.
	Memory *budget.Budget
	// Inflating has one place for each message that may be decompressed at the
	// same time; nil is no bound.
	Inflating chan struct{}
}

// Close codes (RFC 6455 section 7.4.1).
const (
	CodeNormal      = 1000
	CodeGoingAway   = 1001
	CodeProtocol    = 1002
	CodeNoStatus    = 1005
	CodeAbnormal    = 1006
	CodeInvalidData = 1007
	CodePolicy      = 1008
	CodeTooBig      = 1009
	CodeInternal    = 1011
	CodeRestart     = 1012
	CodeTryAgain    = 1013
)

// CloseError says how a connection ended. It is what the app is told.
type CloseError struct {
	Code   int
	Reason string
	Asked  bool // the client sent a close frame; Answer answers it
}

// Error names the code.
func (e *CloseError) Error() string {
	return fmt.Sprintf("websocket closed with %d %s", e.Code, e.Reason)
}

const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
	opPing         = 9
	opPong         = 10

	maxControl = 125
	bitFinal   = 0x80
	bitDeflate = 0x40
	bitMask    = 0x80
)

// Sink takes the messages of a client. If Ready, Room, Hold, Inflate or Turn returns
// false, Feed stops. It has to be called again when the method would return true.
type Sink interface {
	// Ready reports whether another message may begin.
	Ready() bool
	// Room reports whether n bytes of a message may follow. If so, Part follows.
	Room(n int) bool
	// Hold reports whether a compressed message may hold n bytes more until it
	// is complete.
	Hold(n int) bool
	// Inflate reports whether a message may be decompressed.
	Inflate() bool
	// Turn reports whether there is time to decompress another part now.
	Turn() bool
	// Released says that what Hold and Inflate gave is free again.
	Released()
	// Part takes a part of a message.
	Part(p Part)
}

// Conn is the server's end of a WebSocket, without I/O. Feed takes what the client
// has sent, and Unsent returns what is to be sent to it. It belongs to one goroutine.
type Conn struct {
	config  *Config
	deflate bool
	to      Sink

	frame        // that is being read
	message      // that is being read
	ended   bool // nothing more is read
	stalled bool // the connection waits for the sink
	pinged  bool // a ping was sent, and nothing has come since
	half    bool // a frame or message is incomplete, and the client is to send more

	out    []byte // frames
	inside bool   // a fragmented message is being written
	closed bool   // a close frame has been written
}

// NewConn returns the WebSocket for a connection that was upgraded with h.
func NewConn(h Handshake, config *Config, to Sink) *Conn {
	return &Conn{config: config, deflate: h.deflate, to: to}
}

// Feed takes bytes that the client has sent, and may change them. It returns how many
// it took; it wants the rest when the Sink can take more. It answers control frames.
// An error is a *CloseError with the code for the app. The close frame for the client
// is then in Unsent, unless the client sent one itself or has gone.
func (c *Conn) Feed(p []byte) (n int, err error) {
	if len(p) > 0 || c.stalled {
		c.pinged = false
	}
	c.stalled = false
	for !c.ended && !c.stalled {
		settled, err := c.settle()
		if err != nil {
			return n, c.refuse(err)
		}
		if c.stalled = !settled; c.stalled || n == len(p) {
			break
		}
		k, err := c.step(p[n:])
		if n += k; err != nil {
			return n, c.refuse(err)
		}
		c.stalled = k == 0
	}
	c.half = !c.stalled && (c.begun() || c.given > 0 || len(c.packed) > 0)
	return n, nil
}

// Stalled reports whether the connection waits for the sink.
func (c *Conn) Stalled() bool { return c.stalled }

// Lost says that the client has gone without a close frame.
func (c *Conn) Lost() *CloseError { return c.refuse(io.ErrUnexpectedEOF) }

// Await is what the connection expects from the client.
type Await int

// What the connection can expect. Each has its own timeout.
const (
	Nothing Await = iota
	Frame         // the next part of a frame, or of a long message, within Config.FrameTimeout
	Pong          // the answer to a ping, or anything else, within PingTimeout
	Silence       // nothing, but the client is pinged after PingInterval
)

// Awaits says what has been expected from the client since the last call of Feed or
// Late. While the connection waits for the app, nothing is expected, since an answer
// to a ping would not be read.
func (c *Conn) Awaits() Await {
	switch {
	case c.ended || c.stalled:
		return Nothing
	case c.half && c.config.FrameTimeout > 0:
		return Frame
	case c.pinged:
		return Pong
	case c.config.PingInterval > 0:
		return Silence
	}
	return Nothing
}

// Late is called when the timeout of what Awaits returns has passed. sending says that
// the client still has to take something. It is not pinged then: WriteTimeout applies.
func (c *Conn) Late(sending bool) error {
	switch c.Awaits() {
	case Frame:
		return c.refuse(&CloseError{Code: CodePolicy, Reason: "frame took too long"})
	case Pong:
		return c.refuse(&CloseError{Code: CodeInternal, Reason: "keepalive ping timeout"})
	case Silence:
		if !sending && !c.closed { // after a close frame the client owes only its own
			c.pinged = c.config.PingTimeout > 0 // without a timeout nobody waits for the answer
			c.put(opPing, nil, true, false)
		}
	}
	return nil
}

// refuse ends the connection for an error. It tells the client, and returns what the
// app is told.
func (c *Conn) refuse(err error) *CloseError {
	c.release()
	c.ended = true
	var closed *CloseError
	if !errors.As(err, &closed) {
		return &CloseError{Code: CodeAbnormal}
	}
	if !closed.Asked && closed.Code != CodeAbnormal {
		c.Close(closed.Code, closed.Reason)
	}
	return closed
}

// End stops reading because of an error that the sink reports.
func (c *Conn) End(err *CloseError) *CloseError { return c.refuse(err) }

// Answer answers the client's close frame, if that is what Feed has returned.
func (c *Conn) Answer(closed *CloseError) {
	code := closed.Code
	if code == CodeNoStatus {
		code = CodeNormal
	}
	if closed.Asked {
		c.Close(code, "")
	}
}

// ValidCode reports whether a code may be sent in a close frame.
func ValidCode(code int) bool {
	switch {
	case code >= 3000 && code < 5000:
		return true
	case code == CodeNoStatus, code == CodeAbnormal, code == 1004:
		return false
	}
	return code >= 1000 && code <= 1014
}

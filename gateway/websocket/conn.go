package websocket

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gonicorn/gonicorn/gateway/budget"
)

// Config bounds a connection. Durations of 0 are for ever.
type Config struct {
	MaxMessage   int64         // bytes of one message, decompressed; 0 is no bound
	Deflate      bool          // take permessage-deflate when it is offered
	PingInterval time.Duration // how long a silent client is left alone
	PingTimeout  time.Duration // how long it may then take to answer
	FrameTimeout time.Duration // how long a part of a frame that has begun may take
	WriteTimeout time.Duration // how long a client may take nothing of what is sent

	// Memory is what compressed messages of all connections may hold beyond
	// PartSize each until they are complete; nil is no bound.
	Memory *budget.Budget
	// Inflating has room for the messages that are decompressed at once; nil
	// is no bound.
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

// CloseError says how a connection ended, as the app is told.
type CloseError struct {
	Code   int
	Reason string
	Asked  bool // the client sent a close frame, which Answer answers
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

// Sink takes the messages of a client. Each method but Part may say that it
// cannot now: Feed stops then, and is to be called again when it can.
type Sink interface {
	// Ready reports whether another message may begin.
	Ready() bool
	// Room reports whether n bytes of a message may follow; they do then.
	Room(n int) bool
	// Hold reports whether a compressed message may hold n bytes more until it
	// is complete.
	Hold(n int) bool
	// Inflate reports whether a message may be decompressed.
	Inflate() bool
	// Turn reports whether there is time to decompress another part now.
	Turn() bool
	// Released gives back what Hold and Inflate gave.
	Released()
	// Part takes a part of a message.
	Part(p Part)
}

// Conn is the server's end of a WebSocket without I/O: Feed takes what the client
// has sent, and Unsent is what is to be sent to it. It belongs to one goroutine.
type Conn struct {
	config  *Config
	deflate bool
	to      Sink

	frame        // that is being read
	message      // likewise
	ended   bool // nothing more is read
	stalled bool // it is the sink that is waited for
	pinged  bool // a ping has gone out, and nothing has come since
	half    bool // something has begun, and its next part is waited for

	out    []byte // frames
	inside bool   // a fragmented message is being written
	closed bool   // a close frame has been written
}

// NewConn makes a WebSocket of a connection that has been upgraded with h.
func NewConn(h Handshake, config *Config, to Sink) *Conn {
	return &Conn{config: config, deflate: h.deflate, to: to}
}

// Feed takes bytes of the client's, which it may change. It returns how many: it
// wants the others when Sink can take more. Control frames are answered on the way.
// An error is a *CloseError whose code is what the app is to be told; a close
// frame with the code that the client should see is in Unsent by then, but for
// the answer to the client's own.
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

// Stalled reports whether it is the sink that is waited for.
func (c *Conn) Stalled() bool { return c.stalled }

// Lost says that the client has gone without a word.
func (c *Conn) Lost() *CloseError { return c.refuse(io.ErrUnexpectedEOF) }

// Await is what a client is waited for.
type Await int

// What is waited for, each for a time of its own.
const (
	Nothing Await = iota
	Frame         // the next part of a frame, or of a long message, within Config.FrameTimeout
	Pong          // a sign of life, within PingTimeout
	Silence       // nothing: it is asked for one after PingInterval
)

// Awaits says what the client is waited for since the last call of Feed or Late.
// While it is the app that is waited for, a sign of life would not be read.
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

// Late is called when nothing has come in the time of what Awaits says. sending says
// that the client is to take something: it is not asked for a sign of life then, and
// there is a bound for one that takes nothing.
func (c *Conn) Late(sending bool) error {
	switch c.Awaits() {
	case Frame:
		return c.refuse(&CloseError{Code: CodePolicy, Reason: "frame took too long"})
	case Pong:
		return c.refuse(&CloseError{Code: CodeInternal, Reason: "keepalive ping timeout"})
	case Silence:
		if !sending && !c.closed { // else it is the close frame that is waited for
			c.pinged = c.config.PingTimeout > 0 // or nobody waits for the answer
			c.put(opPing, nil, true, false)
		}
	}
	return nil
}

// refuse turns an error into what the app is told, and tells the client.
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

// End has nothing more read, for an error that the sink knows of.
func (c *Conn) End(err *CloseError) *CloseError { return c.refuse(err) }

// Answer answers the close frame that Feed has returned, if it has.
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

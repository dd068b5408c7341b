package websocket

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
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

// Conn is the server's end of a WebSocket. One goroutine may read and others
// may write.
type Conn struct {
	conn    net.Conn
	r       *bufio.Reader
	config  Config
	deflate bool

	// The reader's.
	account *budget.Account // of compressed messages; nil without a bound
	heard   time.Time       // when the last byte came, or the last ping went out
	pinged  bool            // and nothing has come since
	due     time.Time       // when the next part of the frame must be there; zero outside one
	readBy  time.Time       // the connection's read deadline

	mu      sync.Mutex // guards what is written
	head    [10]byte
	inside  bool      // a fragmented message is being written
	closed  bool      // a close frame has been written, or is about to be
	writeBy time.Time // the connection's write deadline
}

// NewConn makes a WebSocket of a connection that has been upgraded with h.
func NewConn(conn net.Conn, h Handshake, config Config) *Conn {
	c := &Conn{conn: conn, config: config, deflate: h.deflate, heard: time.Now()}
	c.r = bufio.NewReaderSize(source{c}, 2048)
	if config.Memory != nil {
		c.account = config.Memory.Account()
	}
	return c
}

// Abort closes the connection without a word; a Read in progress fails.
func (c *Conn) Abort() error { return c.conn.Close() }

// lingerTime bounds how long a client may take to read the last words, and
// lingerBytes what it may still send.
const (
	lingerTime  = time.Second
	lingerBytes = 64 << 10
)

// Linger ends the connection such that a client which is still sending can
// read the close frame: closing with its bytes unread would reset the
// connection, and the frame could be lost (RFC 6455 section 7.1.1). Nobody may
// be reading.
func (c *Conn) Linger() {
	defer c.Abort() //nolint:errcheck // it is over
	c.mu.Lock()
	said := c.closed
	c.mu.Unlock()
	half, ok := c.conn.(interface{ CloseWrite() error })
	if !said || !ok || half.CloseWrite() != nil || c.conn.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	var scrap [2048]byte
	for n := 0; n < lingerBytes; {
		m, err := c.conn.Read(scrap[:])
		if n += m; err != nil {
			return
		}
	}
}

// source reads the connection for c.r and sees to it that the client is alive:
// while nothing comes, it is asked for a sign of life, and a frame that has
// begun must go on.
type source struct{ c *Conn }

func (s source) Read(p []byte) (int, error) {
	c := s.c
	for {
		if err := c.arm(); err != nil {
			return 0, err
		}
		n, err := c.conn.Read(p)
		if n > 0 {
			if c.config.PingInterval > 0 {
				c.heard, c.pinged = time.Now(), false
			}
			return n, nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, err
		}
		if err := c.silent(time.Now()); err != nil {
			return 0, err
		}
	}
}

// next is when something must be done if nothing comes; zero for never.
func (c *Conn) next() time.Time {
	var at time.Time
	switch {
	case c.pinged && c.due.IsZero():
		at = c.heard.Add(c.config.PingTimeout)
	case !c.pinged && c.config.PingInterval > 0:
		at = c.heard.Add(c.config.PingInterval)
	}
	if !c.due.IsZero() && (at.IsZero() || c.due.Before(at)) {
		at = c.due
	}
	return at
}

// arm sets the read deadline. One that comes too early, because the client has
// said something since it was set, does no harm.
func (c *Conn) arm() error {
	at := c.next()
	if at.IsZero() == c.readBy.IsZero() && !c.readBy.After(at) && (at.IsZero() || time.Until(c.readBy) > 0) {
		return nil
	}
	c.readBy = at
	return c.conn.SetReadDeadline(at)
}

// silent does what is due at a read deadline.
func (c *Conn) silent(now time.Time) error {
	at := c.next()
	switch {
	case at.IsZero() || now.Before(at):
		return nil
	case !c.due.IsZero() && !now.Before(c.due):
		return &CloseError{Code: CodePolicy, Reason: "frame took too long"}
	case c.pinged:
		return &CloseError{Code: CodeInternal, Reason: "keepalive ping timeout"}
	}
	c.pinged, c.heard = true, now
	if c.config.PingTimeout <= 0 {
		c.pinged = false // nobody waits for the answer
	}
	return c.ping()
}

// begin starts the time that the next part of a frame may take.
func (c *Conn) begin() {
	if c.config.FrameTimeout > 0 {
		c.due = time.Now().Add(c.config.FrameTimeout)
	}
}

func (c *Conn) frameEnds() { c.due = time.Time{} }

// Read hands the next message to take, in parts. Control frames are answered
// on the way. An error is take's, or a *CloseError whose code is what the app
// is to be told; a close frame with the code that the client should see has
// been sent by then, but for the answer to the client's own.
func (c *Conn) Read(ctx context.Context, take func(Part) error) error {
	m := message{c: c, ctx: ctx, take: take}
	defer m.release()
	err := m.read()
	if err == nil || errors.As(err, new(takeError)) {
		return errors.Unwrap(err)
	}
	return c.refuse(err)
}

// takeError is an error of take's.
type takeError struct{ err error }

func (e takeError) Error() string { return e.err.Error() }
func (e takeError) Unwrap() error { return e.err }

// refuse turns an error into what the app is told, and tells the client.
func (c *Conn) refuse(err error) error {
	var closed *CloseError
	if !errors.As(err, &closed) {
		return &CloseError{Code: CodeAbnormal}
	}
	if !closed.Asked {
		_ = c.WriteClose(closed.Code, closed.Reason) // nothing more is said to it
	}
	return closed
}

// Answer answers the close frame that Read has returned, if it has.
func (c *Conn) Answer(closed *CloseError) {
	code := closed.Code
	if code == CodeNoStatus {
		code = CodeNormal
	}
	if closed.Asked {
		_ = c.WriteClose(code, "") // the client is leaving anyway
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

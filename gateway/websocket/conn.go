package websocket

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
	"unicode/utf8"
)

// Config bounds a connection.
type Config struct {
	MaxMessage   int64         // bytes of one message, decompressed; 0 is no bound
	Deflate      bool          // take permessage-deflate when it is offered
	PingInterval time.Duration // how long a silent client is left alone; 0 is for ever
	PingTimeout  time.Duration // how long it may then take to answer
}

// Close codes (RFC 6455 section 7.4.1).
const (
	CodeNormal      = 1000
	CodeGoingAway   = 1001
	CodeProtocol    = 1002
	CodeNoStatus    = 1005
	CodeAbnormal    = 1006
	CodeInvalidData = 1007
	CodeTooBig      = 1009
	CodeInternal    = 1011
	CodeRestart     = 1012
)

// CloseError says how a connection ended, as the app is told.
type CloseError struct {
	Code   int
	Reason string
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
	pinged  bool

	mu     sync.Mutex // guards what is written
	head   [10]byte
	inside bool // a fragmented message is being written
	closed bool // a close frame has been written
}

// NewConn makes a WebSocket of a connection that has been upgraded with h.
func NewConn(conn net.Conn, h Handshake, config Config) *Conn {
	return &Conn{conn: conn, r: bufio.NewReaderSize(conn, 4096), config: config, deflate: h.deflate}
}

// Abort closes the connection without a word; a Read in progress fails.
func (c *Conn) Abort() error { return c.conn.Close() }

// frame is the head of a frame.
type frame struct {
	final, deflated bool
	op              byte
	length          int64
	mask            [4]byte
}

// Read returns the next message. Control frames are answered on the way. The
// error is a *CloseError whose code is what the app is to be told; a close
// frame with the code that the client should see has been sent by then.
func (c *Conn) Read() (text bool, message []byte, err error) {
	var first frame
	for {
		f, err := c.readHead()
		if err != nil {
			return false, nil, c.refuse(err)
		}
		if f.op >= opClose {
			if err := c.control(f); err != nil {
				return false, nil, c.refuse(err)
			}
			continue
		}
		if (f.op == opContinuation) != (first.op != 0) || (f.op == opContinuation && f.deflated) {
			return false, nil, c.refuse(&CloseError{CodeProtocol, "fragment out of order"})
		}
		if first.op == 0 {
			first = f
		}
		if message, err = c.readPayload(f, message); err != nil {
			return false, nil, c.refuse(err)
		}
		if f.final {
			break
		}
	}
	if first.deflated {
		if message, err = inflate(message, c.config.MaxMessage); err != nil {
			return false, nil, c.refuse(err)
		}
	}
	if first.op == opText && !utf8.Valid(message) {
		return false, nil, c.refuse(&CloseError{CodeInvalidData, "text is not UTF-8"})
	}
	return first.op == opText, message, nil
}

// readHead reads the head of a frame, sending a ping when the client has been
// silent for too long.
func (c *Conn) readHead() (f frame, err error) {
	if err := c.await(); err != nil {
		return f, err
	}
	var b [8]byte
	if _, err := io.ReadFull(c.r, b[:2]); err != nil {
		return f, err
	}
	f = frame{final: b[0]&bitFinal != 0, deflated: b[0]&bitDeflate != 0, op: b[0] & 0x0f, length: int64(b[1] & 0x7f)}
	masked := b[1]&bitMask != 0
	switch {
	case b[0]&0x30 != 0, f.deflated && !c.deflate, f.deflated && f.op >= opClose:
		return f, &CloseError{CodeProtocol, "reserved bit"}
	case f.op > opBinary && f.op < opClose, f.op > opPong:
		return f, &CloseError{CodeProtocol, "unknown opcode"}
	case !masked:
		return f, &CloseError{CodeProtocol, "frame without a mask"}
	case f.op >= opClose && (f.length > maxControl || !f.final):
		return f, &CloseError{CodeProtocol, "control frame too long"}
	}
	switch f.length {
	case 126:
		if _, err := io.ReadFull(c.r, b[:2]); err != nil {
			return f, err
		}
		f.length = int64(binary.BigEndian.Uint16(b[:2]))
	case 127:
		if _, err := io.ReadFull(c.r, b[:8]); err != nil {
			return f, err
		}
		if f.length = int64(binary.BigEndian.Uint64(b[:8])); f.length < 0 {
			return f, &CloseError{CodeProtocol, "frame length"}
		}
	}
	_, err = io.ReadFull(c.r, f.mask[:])
	return f, err
}

// await waits for the first byte of a frame.
func (c *Conn) await() error {
	if c.config.PingInterval <= 0 {
		return nil
	}
	for {
		wait := c.config.PingInterval
		if c.pinged {
			wait = c.config.PingTimeout
		}
		if err := c.conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
			return err
		}
		_, err := c.r.Peek(1)
		if err == nil {
			c.pinged = false
			return c.conn.SetReadDeadline(time.Time{})
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		if c.pinged {
			return &CloseError{CodeInternal, "keepalive ping timeout"}
		}
		c.pinged = true
		if err := c.write(opPing, nil, true, false); err != nil {
			return err
		}
	}
}

// readPayload appends a frame's payload to a message. Memory grows with what
// arrives, not with what was announced.
func (c *Conn) readPayload(f frame, message []byte) ([]byte, error) {
	if most := c.config.MaxMessage; most > 0 && f.length > most-int64(len(message)) {
		return nil, &CloseError{CodeTooBig, "message too big"}
	}
	const step = 64 << 10
	for done := int64(0); done < f.length; {
		n := int(min(f.length-done, step))
		at := len(message)
		message = append(message, make([]byte, n)...)
		if _, err := io.ReadFull(c.r, message[at:]); err != nil {
			return nil, err
		}
		unmask(message[at:], f.mask, int(done&3))
		done += int64(n)
	}
	return message, nil
}

func (c *Conn) control(f frame) error {
	payload, err := c.readPayload(f, nil)
	if err != nil {
		return err
	}
	switch f.op {
	case opPing:
		return c.write(opPong, payload, true, false)
	case opPong:
		return nil
	}
	return c.closedBy(payload)
}

// closedBy answers the client's close frame and returns what the app is told.
func (c *Conn) closedBy(payload []byte) error {
	if len(payload) == 0 {
		_ = c.WriteClose(CodeNormal, "") // the client is leaving anyway
		return &CloseError{Code: CodeNoStatus}
	}
	if len(payload) == 1 {
		return &CloseError{CodeProtocol, "close frame of one byte"}
	}
	code := int(binary.BigEndian.Uint16(payload))
	if !ValidCode(code) || !utf8.Valid(payload[2:]) {
		return &CloseError{CodeProtocol, "close frame"}
	}
	_ = c.WriteClose(code, "") // the client is leaving anyway
	return &CloseError{Code: code, Reason: string(payload[2:])}
}

// refuse turns an error into what the app is told, and tells the client.
func (c *Conn) refuse(err error) error {
	var closed *CloseError
	if !errors.As(err, &closed) {
		return &CloseError{Code: CodeAbnormal}
	}
	_ = c.WriteClose(closed.Code, closed.Reason) // nothing more is said to it
	return closed
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

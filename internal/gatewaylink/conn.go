// Package gatewaylink carries messages between the arbiter and the gateway. A message
// is a JSON object, with descriptors (SCM_RIGHTS, unix(7)); see internal/packet.
package gatewaylink

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"

	"github.com/gonicorn/gonicorn/internal/packet"
	"github.com/gonicorn/gonicorn/internal/wire"
	"golang.org/x/sys/unix"
)

// maxFiles is SCM_MAX_FD: the kernel passes no more descriptors at once.
const maxFiles = 253

// ErrMessage says that the peer sent something that is not a valid message.
var ErrMessage = errors.New("not a message")

// Conn is one end of a socket. Its methods block, each in a thread. One goroutine may
// receive while others send.
type Conn struct {
	fd     int
	buf    []byte
	rights []byte
	in     packet.In

	sending sync.Mutex // keeps other messages out of one that is sent in parts

	mu     sync.Mutex
	closed bool
}

// NewConn takes over a descriptor.
func NewConn(fd int) *Conn {
	unix.CloseOnExec(fd)
	return &Conn{fd: fd, buf: make([]byte, wire.ControlMessage), rights: make([]byte, unix.CmsgSpace(4*maxFiles))}
}

// Send sends m with descriptors, which still belong to the caller.
func (c *Conn) Send(m any, files []int) error {
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	var rights []byte
	if len(files) > 0 {
		rights = unix.UnixRights(files...)
	}
	c.sending.Lock()
	defer c.sending.Unlock()
	if err := packet.Send(c.fd, text, rights); err != nil {
		return fmt.Errorf("send message: %w", err)
	}
	return nil
}

// Receive waits for a message. The descriptors that come with it belong to the caller.
// It returns io.EOF if the peer is gone, and ErrMessage if the message is invalid;
// after ErrMessage it can be called again.
func (c *Conn) Receive(m any) (files []int, err error) {
	got, err := c.in.Take(c.fd, c.buf, c.rights, true)
	if errors.Is(err, syscall.ECONNRESET) || err == nil && got.N == 0 {
		return nil, io.EOF
	}
	if err != nil {
		return nil, fmt.Errorf("receive message: %w", err)
	}
	if files, err = parseRights(c.rights[:got.OOB]); err != nil {
		return nil, err
	}
	if got.Cut || got.Short {
		closeAll(files)
		return nil, fmt.Errorf("receive message: cut off: %w", ErrMessage)
	}
	if err := json.Unmarshal(c.buf[:got.N], m); err != nil {
		closeAll(files)
		return nil, fmt.Errorf("receive message: %w: %w", err, ErrMessage)
	}
	return files, nil
}

func parseRights(rights []byte) (files []int, err error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil, fmt.Errorf("receive descriptors: %w", err)
	}
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			closeAll(files)
			return nil, fmt.Errorf("receive descriptors: %w", err)
		}
		files = append(files, fds...)
	}
	return files, nil
}

func closeAll(files []int) {
	for _, fd := range files {
		unix.Close(fd)
	}
}

// Hangup wakes goroutines that send or receive. From then on sending and receiving
// fail. The descriptor stays open until Close.
func (c *Conn) Hangup() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		_ = unix.Shutdown(c.fd, unix.SHUT_RDWR) // the peer may be gone
	}
}

// Close closes the descriptor. Nobody may be sending or receiving.
func (c *Conn) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.closed = true
		unix.Close(c.fd)
	}
}

// Package notify implements sd_notify(3): workers tell the arbiter that they are
// ready, alive or stopping, in datagrams. On Linux the kernel adds the sender's pid.
package notify

import (
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/gonicorn/gonicorn/internal/wire"
	"golang.org/x/sys/unix"
)

// sendTime bounds how long a sender waits for a slow receiver.
const sendTime = time.Second

// Client sends notifications to the socket that NOTIFY_SOCKET named when the client
// was made. The zero Client sends nothing.
type Client struct{ socket string }

// NewClient remembers NOTIFY_SOCKET. Without it, Send does nothing.
func NewClient() Client { return Client{socket: os.Getenv(wire.EnvNotifySocket)} }

// Send sends state lines, as in "READY=1". See the function Send.
func (c Client) Send(state ...string) error { return Send(c.socket, state...) }

// Store asks the service manager to keep a descriptor under a name, and to pass it on
// when it starts the service again (FDSTORE=1, sd_pid_notify_with_fds(3)). The
// descriptor still belongs to the caller. Store does not block.
func (c Client) Store(name string, fd int) error {
	return c.post("FDSTORE=1\nFDNAME="+name, unix.UnixRights(fd))
}

// Forget asks the service manager to close the descriptors that it keeps under a name
// (FDSTOREREMOVE=1). It does not block.
func (c Client) Forget(name string) error { return c.post("FDSTOREREMOVE=1\nFDNAME="+name, nil) }

// post sends one message without waiting for room.
func (c Client) post(state string, rights []byte) error {
	if c.socket == "" {
		return nil
	}
	from, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	defer unix.Close(from)
	unix.CloseOnExec(from)
	if err := unix.Sendmsg(from, []byte(state), rights, &unix.SockaddrUnix{Name: c.socket}, unix.MSG_DONTWAIT); err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	return nil
}

// Send sends state lines, such as "READY=1", to the socket from NOTIFY_SOCKET: a path,
// or "@" and an abstract name. If socket is empty, it does nothing. It waits for at
// most a second, and then fails with os.ErrDeadlineExceeded.
func Send(socket string, state ...string) error {
	if socket == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(sendTime)); err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	if _, err := conn.Write([]byte(strings.Join(state, "\n"))); err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	return nil
}

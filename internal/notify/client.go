// Package notify speaks sd_notify(3): workers tell the arbiter that they are
// ready, alive or stopping, by datagrams that the kernel signs with their pid.
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

// sendTime bounds how long a sender waits for a receiver that is behind.
const sendTime = time.Second

// Client sends notifications to the socket that its environment named when it
// was made. The zero Client sends nothing.
type Client struct{ socket string }

// NewClient remembers NOTIFY_SOCKET. Without it, Send does nothing.
func NewClient() Client { return Client{socket: os.Getenv(wire.EnvNotifySocket)} }

// Send sends state lines, as in "READY=1". See the function Send.
func (c Client) Send(state ...string) error { return Send(c.socket, state...) }

// Store has the service manager keep a descriptor under a name, and hand it
// down when it starts the service again (FDSTORE=1, sd_pid_notify_with_fds(3)).
// The descriptor is borrowed. It does not wait.
func (c Client) Store(name string, fd int) error {
	return c.post("FDSTORE=1\nFDNAME="+name, unix.UnixRights(fd))
}

// Forget has the service manager close the descriptors that it keeps under a
// name (FDSTOREREMOVE=1). It does not wait.
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

// Send sends state lines, as in "READY=1", to the socket that NOTIFY_SOCKET
// names: a path, or an abstract name behind "@". An empty name is no error:
// nobody wants to know. It waits for at most a second, and then fails with
// os.ErrDeadlineExceeded.
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

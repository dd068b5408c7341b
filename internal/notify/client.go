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

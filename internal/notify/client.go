// Package notify speaks sd_notify(3): workers tell the arbiter that they are
// ready, alive or stopping, by datagrams that the kernel signs with their pid.
package notify

import (
	"fmt"
	"net"
	"strings"
	"time"
)

// Send sends state lines, as in "READY=1", to the socket that NOTIFY_SOCKET
// names: a path, or an abstract name behind "@". An empty name is no error:
// nobody wants to know. It never blocks for long.
func Send(socket string, state ...string) error {
	if socket == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	if _, err := conn.Write([]byte(strings.Join(state, "\n"))); err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	return nil
}

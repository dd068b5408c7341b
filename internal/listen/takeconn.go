package listen

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

// If there is no descriptor left, TakeConn tries takeTries times, every takePause.
const (
	takePause = 10 * time.Millisecond
	takeTries = 500
)

// TakeConn makes a net.Conn of a descriptor, and closes the descriptor. For a moment
// it needs a second one. If there is none, it waits, because the client has not been
// sent an answer yet.
func TakeConn(fd int) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "connection")
	defer f.Close()
	for try := 1; ; try++ {
		c, err := net.FileConn(f)
		if err == nil {
			return c, nil
		}
		if try == takeTries || !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE) {
			return nil, fmt.Errorf("take over connection: %w", err)
		}
		time.Sleep(takePause) // there is no event for a free descriptor
	}
}

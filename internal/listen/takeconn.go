package listen

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

// While there is no descriptor left, TakeConn tries again so often for so long.
const (
	takePause = 10 * time.Millisecond
	takeTries = 500
)

// TakeConn makes a connection of Go's of a descriptor, which it closes. It needs a
// second one for a moment, and waits for a while if there is none: whoever is
// connected has been told nothing yet.
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
		time.Sleep(takePause) // nobody tells when a descriptor is free
	}
}

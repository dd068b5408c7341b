package workers

import (
	"errors"
	"net"
)

var errBroken = errors.New("broken")

// broken is a listener without a socket, and its Accept fails.
type broken struct{ l net.Listener }

func (b *broken) Accept() (net.Conn, error) { return nil, errBroken }
func (b *broken) Close() error              { return b.l.Close() }
func (b *broken) Addr() net.Addr            { return b.l.Addr() }

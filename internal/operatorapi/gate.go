package operatorapi

import (
	"fmt"
	"net"
	"os"
	"sync"
)

// gate lets in root, the user that gonicorn runs as, and its group or all where
// the socket's mode says so; and so many at once.
type gate struct {
	net.Listener
	mode   os.FileMode
	places chan struct{}
}

// Accept implements net.Listener.
func (g *gate) Accept() (net.Conn, error) {
	for {
		g.places <- struct{}{}
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, fmt.Errorf("accept: %w", err)
		}
		if g.allowed(c) {
			return &guest{Conn: c, leave: sync.OnceFunc(func() { <-g.places })}, nil
		}
		c.Close()
		<-g.places
	}
}

// allowed looks at who is at the other end.
func (g *gate) allowed(c net.Conn) bool {
	raw, err := c.(*net.UnixConn).SyscallConn()
	if err != nil {
		return false
	}
	var uid, gid int
	if ctlErr := raw.Control(func(fd uintptr) { uid, gid, err = peer(int(fd)) }); ctlErr != nil || err != nil {
		return false
	}
	switch {
	case uid == 0, uid == os.Geteuid(), g.mode&0o002 != 0:
		return true
	}
	return g.mode&0o020 != 0 && gid == os.Getegid()
}

// guest gives its place back when it leaves.
type guest struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (g *guest) Close() error {
	defer g.leave()
	return g.Conn.Close() // net/http looks at it
}

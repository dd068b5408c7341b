package operatorapi

import (
	"fmt"
	"net"
	"os"
	"sync"
)

// gate accepts connections from root and from the user that gonicorn runs as, and,
// if the socket's mode allows it, from its group or from everyone. It also bounds how
// many there are at once.
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

// allowed reports whether the user at the other end may connect.
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

// guest is a connection that gives back its place when it is closed.
type guest struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (g *guest) Close() error {
	defer g.leave()
	return g.Conn.Close() // net/http needs the original error
}

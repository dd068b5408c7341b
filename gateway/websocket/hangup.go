package websocket

import (
	"net"
	"syscall"
)

// HungUp reports whether the client has closed its end of a connection. It finds that
// out without reading.
func HungUp(conn net.Conn) bool {
	if stream, is := conn.(interface{ HungUp() bool }); is {
		return stream.HungUp() // an HTTP/2 stream
	}
	for {
		inner, is := conn.(interface{ NetConn() net.Conn })
		if !is {
			break
		}
		conn = inner.NetConn()
	}
	sc, is := conn.(syscall.Conn)
	if !is {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return true // it is closed
	}
	gone := false
	err = raw.Control(func(fd uintptr) {
		gone = hungUp(int(fd))
	})
	return gone || err != nil
}

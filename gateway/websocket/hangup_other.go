//go:build !linux

package websocket

// HungUp reports whether the client has closed its end of the connection; here
// nobody can tell without reading.
func (c *Conn) HungUp() bool { return false }

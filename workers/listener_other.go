//go:build !linux

package workers

import "net"

// wait does not outside Linux: a place is held while Accept waits.
func (d *Listener) wait() error { return nil }

func (d *Listener) try() (net.Conn, error) { return d.Listener.Accept() }

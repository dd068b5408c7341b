//go:build !linux

package console

import (
	"net"
	"os"
)

// gate lets in whom the socket's mode lets in.
type gate struct {
	net.Listener
	mode   os.FileMode
	places chan struct{}
}

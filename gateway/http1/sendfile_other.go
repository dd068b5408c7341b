//go:build !linux

package http1

import (
	"io"
	"net"
	"os"
)

func sendFile(c net.Conn, f *os.File, off, n int64, progress func()) (int64, error) {
	progress()
	return io.Copy(c, io.NewSectionReader(f, off, n))
}

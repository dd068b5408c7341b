//go:build !linux || portable

package proxy

import (
	"fmt"
	"io"
	"os"
)

// sendFile sends n bytes of f from its beginning.
func sendFile(c *workerConn, f *os.File, n int64) error {
	sent, err := io.Copy(c.Conn, io.NewSectionReader(f, 0, n))
	if err == nil && sent < n {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("send file: %w", err)
	}
	return nil
}

//go:build !linux

package proc

// CloseInherited does nothing outside Linux.
func CloseInherited() {}

//go:build !linux

package cli

// closeInherited does nothing outside Linux.
func closeInherited() {}

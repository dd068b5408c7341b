//go:build !linux || portable

package listen

// Backlog is not known outside Linux.
func Backlog(int) int { return -1 }

//go:build !linux

package proc

// Pipe fails outside Linux: a fork between its making and its marking would
// leak it.
func Pipe() (r, w int, err error) { return -1, -1, unsupported("a pipe for a child") }

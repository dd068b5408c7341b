//go:build !linux || portable

package watch

// blind names the filesystem of a folder whose changes the kernel may not tell
// of; it is not known here.
func blind(string) string { return "" }

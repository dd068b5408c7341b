//go:build !linux || portable

package watch

// blind would name a filesystem on which the kernel may not report changes. That is not
// known here, so it is always empty.
func blind(string) string { return "" }

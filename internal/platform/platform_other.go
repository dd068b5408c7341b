//go:build !linux || portable

package platform

// Portable says that this binary uses no feature that only Linux has.
const Portable = true

//go:build !linux || portable

package platform

// Portable says that this binary uses nothing that Linux alone has.
const Portable = true

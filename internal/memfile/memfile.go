// Package memfile makes files without a name, so that processes can share their
// memory. On Linux they are in memory and can be sealed (memfd_create(2)). Elsewhere
// they are temporary files that are removed as soon as they are open, and any process
// that has one can change and resize it.
package memfile

// Seal is an operation that a file no longer allows.
type Seal uint

// The seals.
const (
	Size        Seal = 1 << iota // resizing
	Write                        // write it
	FutureWrite                  // writing, except through an existing mapping
	Final                        // adding a seal
)

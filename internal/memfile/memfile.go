// Package memfile makes files without a name, whose memory processes share. On
// Linux they are in memory and can be sealed (memfd_create(2)); elsewhere they
// are temporary files that are removed as soon as they are open, and whoever
// has one may change and resize it.
package memfile

// Seal is what nobody can do to a file any more.
type Seal uint

// The seals.
const (
	Size        Seal = 1 << iota // resize it
	Write                        // write it
	FutureWrite                  // write it, other than through a mapping that is there
	Final                        // add a seal
)

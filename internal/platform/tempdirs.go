package platform

import "os"

// TempDirs are folders for files that Linux has in memory, the preferred one first. The
// folder in TMPDIR may belong to another user, or be missing in a chroot.
func TempDirs() []string { return []string{os.TempDir(), "/tmp", "/var/tmp"} }

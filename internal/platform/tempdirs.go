package platform

import "os"

// TempDirs are folders for what Linux has in memory, the first for choice: TMPDIR
// may be another user's, or not be there in a root of its own.
func TempDirs() []string { return []string{os.TempDir(), "/tmp", "/var/tmp"} }

package operatorapi

import (
	"os"
	"syscall"
)

// own reports whether a folder belongs to this user or to root, and nobody else can
// write to it. Any user may make folders in the folder of temporary files.
func own(folder string) bool {
	info, err := os.Lstat(folder)
	if err != nil || !info.IsDir() || info.Mode().Perm()&0o022 != 0 {
		return false
	}
	stat, is := info.Sys().(*syscall.Stat_t)
	return is && (int(stat.Uid) == os.Geteuid() || stat.Uid == 0)
}

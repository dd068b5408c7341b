package operatorapi

import (
	"os"
	"syscall"
)

// own reports whether a folder is this user's, or root's, and nobody else can
// write to it: below a folder of temporary files anybody may make one.
func own(folder string) bool {
	info, err := os.Lstat(folder)
	if err != nil || !info.IsDir() || info.Mode().Perm()&0o022 != 0 {
		return false
	}
	stat, is := info.Sys().(*syscall.Stat_t)
	return is && (int(stat.Uid) == os.Geteuid() || stat.Uid == 0)
}

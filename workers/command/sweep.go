package command

import (
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// folderPrefix begins the names of the folders with workers' sockets.
const folderPrefix = "gonicorn-sock-"

// folderSettled is the age from which a folder without a lock has no owner: an
// owner locks its folder right after making it.
const folderSettled = 2 * time.Second

// lockFolder locks a folder for as long as this process lives. It returns nil if
// the folder is locked already, or cannot be.
func lockFolder(dir string) *os.File {
	f, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil
	}
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		f.Close()
		return nil
	}
	return f
}

// Sweep removes the folders that a gonicorn of this user left behind when it
// was killed.
func Sweep() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), folderPrefix+"*")) // the pattern is good
	for _, dir := range dirs {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() || time.Since(info.ModTime()) < folderSettled {
			continue
		}
		if stat, is := info.Sys().(*syscall.Stat_t); !is || os.Geteuid() != 0 && int(stat.Uid) != os.Geteuid() {
			continue
		}
		if lock := lockFolder(dir); lock != nil {
			_ = os.RemoveAll(dir) // what cannot be removed does no harm
			lock.Close()
		}
	}
}

//go:build !linux

package console

import "os"

func own(folder string) bool {
	info, err := os.Lstat(folder)
	return err == nil && info.IsDir() && info.Mode().Perm()&0o022 == 0
}

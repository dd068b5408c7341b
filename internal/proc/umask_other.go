//go:build !linux

package proc

import "syscall"

// withUmask changes the umask of the whole process for a moment: other systems
// have none a thread.
func withUmask(mask int, start func() (int, error)) (int, error) {
	old := syscall.Umask(mask)
	defer syscall.Umask(old)
	return start()
}

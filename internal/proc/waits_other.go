//go:build !linux

package proc

import "syscall"

func tgkill(int, int, syscall.Signal) error { return syscall.ENOSYS }

// Waits is known on Linux only.
func Waits(int) string { return "" }

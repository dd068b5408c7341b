//go:build !linux

package proc

import "syscall"

// AllowedCPUs needs Linux.
func AllowedCPUs() ([]int, error) { return nil, unsupported("CPU affinity") }

// NoFile needs Linux.
func NoFile() (uint64, error) { return 0, unsupported("the limit of descriptors") }

func (l *Limits) around(fork func() (int, error)) func() (int, error) { return fork }

func (l *Limits) intoCgroup(*syscall.SysProcAttr) {}

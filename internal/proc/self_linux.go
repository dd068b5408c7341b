//go:build !portable

package proc

const self = "/proc/self/exe"

//go:build !linux

package wire

// SignalDump makes a Python worker write all stacks without the GIL. It is SIGINFO,
// which the BSDs have for this purpose.
const SignalDump = 29

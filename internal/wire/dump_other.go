//go:build !linux

package wire

// SignalDump has a Python worker write all stacks without the GIL: SIGINFO, which
// the BSDs have for such a purpose.
const SignalDump = 29

package wire

// SignalDump makes a Python worker write all stacks without the GIL. It is a real-time
// signal that no C library reserves for itself.
const SignalDump = 44

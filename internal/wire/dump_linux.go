package wire

// SignalDump has a Python worker's own thread write all stacks without the GIL.
// It is a real-time signal that no C library keeps for itself.
const SignalDump = 44

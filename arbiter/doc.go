// Package arbiter keeps the workers of an app alive: it starts them, watches
// them, replaces them when they crash, hang, leak or grow old, and exchanges
// them all on a reload that either succeeds whole or changes nothing.
//
// One goroutine, the loop, owns all state. Everything that happens (a signal,
// a child's death, a notification, a loaded config, a timer) reaches it as an
// event. What to do about it is decided by a fleet, which does no I/O of its
// own and takes the time as an argument, so that policy is tested without
// processes and without waiting.
package arbiter

// Package arbiter keeps the workers of an app alive: it starts them, watches
// them, replaces them when they crash, hang, leak or grow old, and replaces all
// of them on a reload. A reload either succeeds completely or changes nothing.
//
// One goroutine, the loop, owns all state. Everything that happens (a signal,
// a child's death, a notification, a loaded config, a timer) reaches it as an
// event. A fleet decides what to do about it. A fleet does no I/O of its own
// and takes the time as an argument, so policy can be tested without processes
// and without waiting.
package arbiter

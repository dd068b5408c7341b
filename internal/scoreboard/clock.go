package scoreboard

import (
	"time"

	"golang.org/x/sys/unix"
)

// began is one moment on the scoreboard's clock and on Go's. Both are the same clock
// from another zero, and Go reads it without a system call.
var began = func() (m struct {
	nanos int64
	time  time.Time
}) {
	var ts unix.Timespec
	_ = unix.ClockGettime(monotonic, &ts) // cannot fail with a valid clock and pointer
	m.nanos, m.time = ts.Nano(), time.Now()
	return m
}()

// Now is the monotonic time in nanoseconds, the same as time.monotonic_ns() in Python.
func Now() int64 { return began.nanos + int64(time.Since(began.time)) }

// At is what Now was, or will be, at a time that time.Now returned.
func At(t time.Time) int64 { return began.nanos + int64(t.Sub(began.time)) }

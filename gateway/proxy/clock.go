package proxy

import (
	"time"

	"github.com/gonicorn/gonicorn/internal/scoreboard"
)

// clock tells the scoreboard's time without a system call: Go's own monotonic
// clock is the same one, from another zero.
type clock struct {
	start time.Time
	base  int64
}

func newClock() clock { return clock{start: time.Now(), base: scoreboard.Now()} }

// now is CLOCK_MONOTONIC in nanoseconds.
func (c clock) now() int64 { return c.at(time.Now()) }

// at is what now was, or will be, at a time.
func (c clock) at(t time.Time) int64 { return c.base + int64(t.Sub(c.start)) }

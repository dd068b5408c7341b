package scoreboard

import "golang.org/x/sys/unix"

const (
	monotonic = unix.CLOCK_MONOTONIC
	noReserve = 0 // no flag is needed: untouched memory takes no room here
)

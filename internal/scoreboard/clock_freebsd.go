package scoreboard

import "golang.org/x/sys/unix"

const (
	monotonic = unix.CLOCK_MONOTONIC
	noReserve = 0 // memory that nobody has touched needs no room here
)

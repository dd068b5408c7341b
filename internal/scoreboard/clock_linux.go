package scoreboard

import "golang.org/x/sys/unix"

const (
	monotonic = unix.CLOCK_MONOTONIC
	noReserve = unix.MAP_NORESERVE
)

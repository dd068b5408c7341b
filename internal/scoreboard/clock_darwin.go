package scoreboard

import "golang.org/x/sys/unix"

const (
	// monotonic stands still while the machine sleeps, as mach_absolute_time(3)
	// does, which Python reads; CLOCK_MONOTONIC of this system goes on.
	monotonic = unix.CLOCK_UPTIME_RAW
	noReserve = unix.MAP_NORESERVE
)

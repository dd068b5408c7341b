package scoreboard

import "golang.org/x/sys/unix"

const (
	// monotonic does not advance while the machine sleeps. It is the same clock
	// as mach_absolute_time(3), which Python uses. CLOCK_MONOTONIC does advance
	// during sleep on this system.
	monotonic = unix.CLOCK_UPTIME_RAW
	noReserve = unix.MAP_NORESERVE
)

package scoreboard

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The scoreboard's time is the kernel's, which other processes read.
func TestNowIsTheMonotonicClock(t *testing.T) {
	t.Parallel()
	kernel := func() int64 {
		var ts unix.Timespec
		if err := unix.ClockGettime(monotonic, &ts); err != nil {
			t.Fatal(err)
		}
		return ts.Nano()
	}
	const apart = int64(10 * time.Millisecond) // began's two clocks are read one after the other
	before, at, now, after := kernel(), At(time.Now()), Now(), kernel()
	if at < before-apart || now < at || now > after+apart {
		t.Errorf("At %d and Now %d are not between %d and %d", at, now, before, after)
	}
}

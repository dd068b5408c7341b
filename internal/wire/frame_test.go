package wire

import (
	"testing"
	"time"
)

// The runner writes times in flight with few bits; see runner/frames.py.
func TestAppTimeIsATime(t *testing.T) {
	for h, want := range map[AppTime]time.Duration{
		0: 0, 1: 10 * time.Microsecond, 0xFFF: 40950 * time.Microsecond,
		1<<12 | 0x800:  40960 * time.Microsecond,
		10<<12 | 0xFFF: 4095 << 10 * 10 * time.Microsecond,
		15<<12 | 0xFFF: 4095 << 15 * 10 * time.Microsecond,
	} {
		if got := h.Duration(); got != want {
			t.Errorf("%#x is %s, want %s", uint16(h), got, want)
		}
	}
}

package arbiter

import (
	"slices"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/internal/scoreboard"
)

// A worker stores the start of a claim and then its number. Python has no barrier
// between the two, so on arm64 a reader may see the number first. The request was
// then begun just now: it is not hung, and it counts as one besides a hung one.
func TestAClaimWithoutAStartWasTakenJustNow(t *testing.T) {
	const now, timeout = time.Hour, time.Minute
	slot := new(scoreboard.Slot)
	for i, c := range []struct {
		number uint64
		start  time.Duration
	}{
		{7, 0},                               // its start is not visible yet
		{8, now - 2*timeout},                 // hung
		{9, now + time.Second},               // no worker writes that
		{scoreboard.Taking, now - 2*timeout}, // no request
		{0, now - 2*timeout},
	} {
		slot.Claim[i].ID.Store(c.number)
		slot.Claim[i].Start.Store(int64(c.start))
	}
	v := readVitals(slot, new(scoreboard.Measure), now)
	if want := []time.Duration{now, now - 2*timeout, now}; !slices.Equal(v.claims, want) {
		t.Errorf("claims began at %v, want %v", v.claims, want)
	}
	if n := v.besides(now, timeout); n != 2 {
		t.Errorf("%d requests are not hung, want 2", n)
	}
}

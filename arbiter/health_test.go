package arbiter

import (
	"math"
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

// Threads count for themselves. The slot shows the sum, and the oldest request of all.
// What a hostile worker writes cannot make a sum overflow.
func TestClaimsAreAddedUp(t *testing.T) {
	const now = time.Hour
	slot := new(scoreboard.Slot)
	for i, c := range []struct {
		id, done uint64
		start    time.Duration
		busy     time.Duration
	}{
		{7, 10, now - time.Second, time.Minute},
		{8, 20, now - time.Minute, time.Second},
		{0, 5, 0, -time.Second},
		{scoreboard.Taking, 0, 0, 0},
	} {
		slot.Claim[i].ID.Store(c.id)
		slot.Claim[i].Start.Store(int64(c.start))
		slot.Claim[i].Done.Store(c.done)
		slot.Claim[i].Busy.Store(int64(c.busy))
	}
	v := readVitals(slot, new(scoreboard.Measure), now)
	if v.requests != 35 || v.busy != time.Minute+time.Second || v.inFlight != 2 || v.requestID != 8 || v.requestStart != now-time.Minute {
		t.Errorf("%d requests in %v, %d in flight, the oldest is %d since %v", v.requests, v.busy, v.inFlight, v.requestID, v.requestStart)
	}
	for i := range slot.Claim {
		slot.Claim[i].Done.Store(math.MaxUint64)
		slot.Claim[i].Busy.Store(math.MaxInt64)
	}
	if v = readVitals(slot, new(scoreboard.Measure), now); v.requests != most || v.busy != most*time.Microsecond {
		t.Errorf("%d requests in %v", v.requests, v.busy)
	}
}

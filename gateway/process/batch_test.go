package process

import (
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"
)

func TestBatchFollowsTheLoad(t *testing.T) {
	t.Parallel()
	var events uint64
	var set []bool
	now := time.Unix(0, 0)
	b := &batch{handled: func() uint64 { return events }, set: func(on bool) error { set = append(set, on); return nil }, looked: now}
	for _, c := range []struct {
		after time.Duration
		rate  uint64 // events a second
		want  []bool
	}{
		{100 * time.Millisecond, 100_000, []bool{true}},
		{100 * time.Millisecond, 100_000, nil},
		{100 * time.Millisecond, calmBelow, nil}, // it stays as it is between the two rates
		{100 * time.Millisecond, calmBelow - 10, []bool{false}},
		{100 * time.Millisecond, busyFrom - 10, nil},
		{100 * time.Millisecond, busyFrom, []bool{true}},
		{time.Minute, 50, []bool{false}},
	} {
		set = nil
		now = now.Add(c.after)
		events += uint64(c.after.Seconds() * float64(c.rate))
		if b.look(now); !slices.Equal(set, c.want) {
			t.Errorf("%d events a second for %v: set %v, want %v", c.rate, c.after, set, c.want)
		}
	}
}

// What fails once, such as for want of a descriptor, is tried again.
func TestBatchTriesAgain(t *testing.T) {
	t.Parallel()
	var events uint64
	tries := 0
	set := func(bool) error {
		if tries++; tries < 3 {
			return errors.ErrUnsupported
		}
		return nil
	}
	b := &batch{looked: time.Unix(0, 0), log: slog.New(slog.DiscardHandler), handled: func() uint64 { events += 10_000; return events }, set: set}
	for i := range int64(5) {
		b.look(time.Unix(i+1, 0))
	}
	if tries != 3 || !b.on {
		t.Errorf("%d tries, on %v", tries, b.on)
	}
	var none *batch
	none.look(time.Unix(9, 0))
}

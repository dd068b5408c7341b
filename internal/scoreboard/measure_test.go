package scoreboard

import (
	"testing"
	"time"
	"unsafe"
)

func TestMeasure(t *testing.T) {
	if at := unsafe.Offsetof(Slot{}.Own); at != 128 {
		t.Errorf("offset of Own is %d, the layout says 128", at)
	}
	var m Measure
	m.Answers.Store(1)
	m.App.Observe(time.Second)
	m.SetPending([]int64{1, 2})
	if d := m.App.Read(); d.Len() != 1 || d.Over(500*time.Millisecond) != 1 || d.Over(time.Second) != 0 {
		t.Errorf("read %+v", d)
	}
	if ages := m.Ages(5); len(ages) != 2 || ages[0] != 4 {
		t.Errorf("ages %v", ages)
	}
	m.reset()
	if d := m.App.Read(); d.Len() != 0 || d.Sum != 0 || len(m.Ages(5)) != 0 || m.Answers.Load() != 0 {
		t.Errorf("after reset: %+v", d)
	}
	m.App.counts[3].Store(1 << 63) // a hostile worker's own
	m.App.counts[4].Store(1 << 63)
	if d := m.App.Read(); d.Len() != 2*mostCount {
		t.Errorf("%d durations were read", d.Len())
	}
}

package workers

import (
	"slices"
	"sync"
	"testing"

	"github.com/gonicorn/gonicorn/internal/scoreboard"
	"pgregory.net/rapid"
)

// The slot always shows the oldest request in flight, in whatever order requests
// begin and end.
func TestSlotShowsTheOldestRequest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slot := new(scoreboard.Slot)
		m := NewMeter(slot)
		m.Ready()
		var held []*Request // in order of begin
		finished := 0
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if len(held) == 0 || rapid.Bool().Draw(t, "begin") {
				held = append(held, m.Begin("GET", "/"))
			} else {
				i := rapid.IntRange(0, len(held)-1).Draw(t, "which")
				held[i].End()
				held[i].End() // harmless
				held = slices.Delete(held, i, i+1)
				finished++
			}
			expectSlot(t, slot, held, finished)
		}
		shown, all := m.InFlight(3)
		if int(all) != len(held) || len(shown) != min(3, len(held)) {
			t.Fatalf("Held gave %d of %d, want %d of %d", len(shown), all, min(3, len(held)), len(held))
		}
		for i, h := range shown {
			if h.ID != held[i].ID {
				t.Fatalf("Held shows request %d at %d, want %d", h.ID, i, held[i].ID)
			}
		}
	})
}

func expectSlot(t *rapid.T, slot *scoreboard.Slot, held []*Request, finished int) {
	t.Helper()
	var id uint64
	var start int64
	state := scoreboard.Ready
	if len(held) > 0 {
		id, start, state = held[0].ID, held[0].start, scoreboard.Busy
	}
	if slot.RequestID.Load() != id || slot.RequestStart.Load() != start {
		t.Fatalf("the slot shows request %d of %d, want %d of %d", slot.RequestID.Load(), slot.RequestStart.Load(), id, start)
	}
	if got := scoreboard.State(slot.State.Load()); got != state {
		t.Fatalf("the slot shows %s, want %s", got, state)
	}
	if got := slot.InFlight.Load(); got != int64(len(held)) {
		t.Fatalf("the slot shows %d in flight, want %d", got, len(held))
	}
	if got := slot.Requests.Load(); got != uint64(finished) {
		t.Fatalf("the slot shows %d finished, want %d", got, finished)
	}
}

func TestStatesInOrder(t *testing.T) {
	slot := new(scoreboard.Slot)
	slot.State.Store(uint64(scoreboard.Booting))
	m := NewMeter(slot)
	expect := func(want scoreboard.State) {
		t.Helper()
		if got := scoreboard.State(slot.State.Load()); got != want {
			t.Fatalf("the slot shows %s, want %s", got, want)
		}
	}
	m.Begin("GET", "/warm-up").End()
	expect(scoreboard.Booting)
	m.Ready()
	m.Ready() // harmless
	expect(scoreboard.Ready)
	within(t, m.IsReady(), "it is ready")
	r := m.Begin("GET", "/")
	expect(scoreboard.Busy)
	m.Draining()
	expect(scoreboard.Draining)
	r.End()
	expect(scoreboard.Draining)
	if slot.BusyNanos.Load() <= 0 {
		t.Error("no time was busy")
	}
}

func TestSpentAtMaxRequests(t *testing.T) {
	slot := new(scoreboard.Slot)
	slot.MaxRequests.Store(3)
	m := NewMeter(slot)
	for i := range 5 {
		select {
		case <-m.Spent():
			if i < 3 {
				t.Fatalf("spent after %d requests, want 3", i)
			}
		default:
			if i >= 3 {
				t.Fatalf("not spent after %d requests, want 3", i)
			}
		}
		m.Begin("GET", "/").End()
	}
	if m.Requests() != 5 {
		t.Errorf("%d requests, want 5: a spent worker goes on", m.Requests())
	}
}

func TestMeterUnderContention(t *testing.T) {
	slot := new(scoreboard.Slot)
	slot.MaxRequests.Store(100)
	m := NewMeter(slot)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 500 {
				m.Opened()
				r := m.Begin("GET", "/")
				m.InFlight(5)
				r.End()
				m.Closed()
			}
		})
	}
	all.Wait()
	if n := slot.Requests.Load(); n != 4000 {
		t.Errorf("%d requests, want 4000", n)
	}
	if slot.InFlight.Load() != 0 || slot.Connections.Load() != 0 || slot.RequestID.Load() != 0 || slot.RequestStart.Load() != 0 {
		t.Error("the slot shows something in flight")
	}
}

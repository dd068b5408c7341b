package handler

import (
	"container/list"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/gonicorn/gonicorn/internal/scoreboard"
)

// meter keeps the worker's slot true: what is in hand, how much is done, and
// since when the oldest request runs.
type meter struct {
	slot *scoreboard.Slot
	worn func() // called once, when the worker has served max_requests

	mu       sync.Mutex
	inHand   *list.List // of *request, the oldest first
	lastID   uint64
	draining bool
	told     bool
}

type request struct {
	id           uint64
	method, path string
	start        int64 // monotonic nanoseconds
}

func newMeter(slot *scoreboard.Slot, worn func()) *meter {
	return &meter{slot: slot, worn: worn, inHand: list.New()}
}

// Begin implements workers.Meter.
func (m *meter) Begin(method, path string) (end func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lastID++
	r := &request{id: m.lastID, method: method, path: path, start: scoreboard.Now()}
	e := m.inHand.PushBack(r)
	m.show()
	return func() { m.end(e) }
}

func (m *meter) end(e *list.Element) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inHand.Remove(e)
	done := m.slot.Requests.Add(1)
	m.slot.BusyNanos.Add(scoreboard.Now() - e.Value.(*request).start)
	m.show()
	if limit := m.slot.MaxRequests.Load(); limit > 0 && done >= limit && !m.told {
		m.told = true
		go m.worn()
	}
}

// Connections implements workers.Meter.
func (m *meter) Connections(delta int) { m.slot.Connections.Add(int64(delta)) }

// show writes what is in hand to the slot.
func (m *meter) show() {
	state := scoreboard.Ready
	if oldest := m.inHand.Front(); oldest != nil {
		r := oldest.Value.(*request)
		m.slot.RequestID.Store(r.id)
		m.slot.RequestStart.Store(r.start)
		state = scoreboard.Busy
	} else {
		m.slot.RequestStart.Store(0)
		m.slot.RequestID.Store(0)
	}
	if m.draining {
		state = scoreboard.Draining
	}
	m.slot.InFlight.Store(int64(m.inHand.Len()))
	m.slot.State.Store(uint64(state))
}

// ready shows that the worker serves.
func (m *meter) ready() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.show()
}

// drain shows that the worker takes nothing new.
func (m *meter) drain() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.draining = true
	m.show()
}

// write lists the requests in hand, the oldest first.
func (m *meter) write(w io.Writer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := scoreboard.Now()
	for e := m.inHand.Front(); e != nil; e = e.Next() {
		r := e.Value.(*request)
		fmt.Fprintf(w, "request %d in hand: %s %s, for %s\n", r.id, r.method, r.path,
			time.Duration(now-r.start).Round(time.Millisecond))
	}
}

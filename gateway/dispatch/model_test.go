package dispatch

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/gonicorn/gonicorn/gateway"
)

// TestPoolAgainstModel plays random operations on a pool and on a model that
// does the same in the plainest way.
func TestPoolAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var failure any // rapid's own way to stop; it must not cross the bubble
		synctest.Test(t, func(*testing.T) {
			defer func() { failure = recover() }()
			playModel(rt)
		})
		if failure != nil {
			panic(failure)
		}
	})
}

const queueSize = 4

type model struct {
	pool    *Pool
	workers map[int]gateway.Worker
	stalled map[int]bool
	held    map[int]int
	waiting []*modelWaiter
	pid     int
}

type modelWaiter struct {
	cancel context.CancelFunc
	done   chan result
}

func playModel(t *rapid.T) {
	m := &model{pool: New(queueSize, time.Minute), workers: map[int]gateway.Worker{}, stalled: map[int]bool{}, held: map[int]int{}}
	defer func() {
		for _, w := range m.waiting {
			w.cancel()
		}
		synctest.Wait()
	}()
	slots := rapid.IntRange(0, 3)
	t.Repeat(map[string]func(*rapid.T){
		"acquire": m.acquire,
		"release": func(t *rapid.T) {
			at := slots.Draw(t, "slot")
			if m.held[at] == 0 {
				t.Skip("nothing held")
			}
			m.held[at]--
			m.pool.Release(at)
		},
		"cancel": func(t *rapid.T) {
			if len(m.waiting) == 0 {
				t.Skip("nobody waits")
			}
			i := rapid.IntRange(0, len(m.waiting)-1).Draw(t, "waiter")
			w := m.waiting[i]
			m.waiting = append(m.waiting[:i], m.waiting[i+1:]...)
			w.cancel()
			if r := <-w.done; !errors.Is(r.err, context.Canceled) {
				t.Fatalf("cancelled waiter got %+v", r)
			}
		},
		"update": func(t *rapid.T) { m.update(t, slots.Draw(t, "slot")) },
		"stall": func(t *rapid.T) {
			at, stalled := slots.Draw(t, "slot"), rapid.Bool().Draw(t, "stalled")
			if _, ok := m.workers[at]; ok {
				m.stalled[at] = stalled
			}
			m.pool.Stall(at, stalled)
		},
		"": m.check,
	})
}

// update changes, replaces or removes one worker. Requests of a worker that
// vanishes are released at once, as backends do.
func (m *model) update(t *rapid.T, at int) {
	w, known := m.workers[at]
	vanished := 0
	switch kind := rapid.IntRange(0, 3).Draw(t, "kind"); {
	case kind == 0 && known:
		delete(m.workers, at)
		vanished = m.held[at]
	case kind == 1 || !known:
		m.pid++
		vanished = m.held[at]
		m.workers[at] = gateway.Worker{Slot: at, PID: m.pid, Capacity: rapid.IntRange(0, 3).Draw(t, "capacity")}
	case kind == 2:
		w.Draining = !w.Draining
		m.workers[at] = w
	default:
		w.Capacity = rapid.IntRange(0, 3).Draw(t, "capacity")
		m.workers[at] = w
	}
	if now, ok := m.workers[at]; !ok || now.PID != w.PID {
		m.held[at], m.stalled[at] = 0, false
	}
	var all []gateway.Worker
	for _, w := range m.workers {
		all = append(all, w)
	}
	m.pool.Update(all)
	for range vanished {
		m.pool.Release(at)
	}
}

func (m *model) open(at int) bool {
	w, ok := m.workers[at]
	return ok && !w.Draining && !m.stalled[at] && m.held[at] < w.Capacity
}

// best is how many the least loaded open worker holds, -1 without one.
func (m *model) best() int {
	best := -1
	for at := range m.workers {
		if m.open(at) && (best < 0 || m.held[at] < best) {
			best = m.held[at]
		}
	}
	return best
}

func (m *model) acquire(t *rapid.T) {
	ctx, cancel := context.WithCancel(context.Background())
	w := &modelWaiter{cancel: cancel, done: make(chan result, 1)}
	best := m.best()
	go func() {
		at, _, err := m.pool.Acquire(ctx)
		w.done <- result{at, err}
	}()
	synctest.Wait()
	select {
	case r := <-w.done:
		cancel()
		switch {
		case r.err != nil && (len(m.waiting) < queueSize || !errors.Is(r.err, gateway.ErrNoCapacity)):
			t.Fatalf("refused with %d waiting: %v", len(m.waiting), r.err)
		case r.err == nil && (len(m.waiting) > 0 || !m.open(r.at) || m.held[r.at] != best):
			t.Fatalf("got slot %d of %v, %v with %d waiting", r.at, m.workers, m.held, len(m.waiting))
		case r.err == nil:
			m.held[r.at]++
		}
	default:
		if m.waiting = append(m.waiting, w); len(m.waiting) > queueSize {
			t.Fatal("too many wait")
		}
	}
}

// check takes in who was served since, in order, and compares.
func (m *model) check(t *rapid.T) {
	synctest.Wait()
	for len(m.waiting) > 0 {
		w := m.waiting[0]
		if len(w.done) == 0 {
			break
		}
		r := <-w.done
		w.cancel()
		if r.err != nil || !m.open(r.at) {
			t.Fatalf("a waiter got %+v; %v, held %v", r, m.workers, m.held)
		}
		m.held[r.at]++
		m.waiting = m.waiting[1:]
	}
	for _, w := range m.waiting {
		if len(w.done) > 0 {
			t.Fatal("a waiter was overtaken")
		}
	}
	if len(m.waiting) > 0 && m.best() >= 0 {
		t.Fatalf("%d wait though there is room: %v, held %v", len(m.waiting), m.workers, m.held)
	}
	for at := range m.workers {
		if n := m.pool.InFlight(at); n != m.held[at] {
			t.Fatalf("slot %d holds %d, want %d", at, n, m.held[at])
		}
	}
}

package dispatch

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/gonicorn/gonicorn/gateway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func workers(capacities ...int) []gateway.Worker {
	var ws []gateway.Worker
	for i, c := range capacities {
		ws = append(ws, gateway.Worker{Slot: i, PID: 100 + i, Capacity: c})
	}
	return ws
}

func acquire(t *testing.T, p *Pool) int {
	t.Helper()
	at, waited, err := p.Acquire(t.Context())
	if err != nil || waited != 0 {
		t.Fatalf("acquire: slot %d after %v: %v", at, waited, err)
	}
	return at
}

type result struct {
	at  int
	err error
}

// later acquires in a goroutine of its own and returns once it waits, or has been
// served. The test runs in a bubble.
func later(ctx context.Context, p *Pool) <-chan result {
	done := make(chan result, 1)
	go func() {
		at, _, err := p.Acquire(ctx)
		done <- result{at, err}
	}()
	synctest.Wait()
	return done
}

func TestLeastLoadedWorkerIsTaken(t *testing.T) {
	p := New(0, 0)
	p.Update(workers(3, 3))
	first, second := acquire(t, p), acquire(t, p)
	if first == second {
		t.Fatalf("both went to slot %d", first)
	}
	acquire(t, p)
	p.Release(first)
	p.Release(first)
	if at := acquire(t, p); at != first {
		t.Errorf("took slot %d, the least loaded is %d", at, first)
	}
	if st := p.Stats(); st.InFlight != 2 || st.Capacity != 6 {
		t.Errorf("stats %+v", st)
	}
}

func TestWaitersAreServedInOrder(t *testing.T) { synctest.Test(t, waitersAreServedInOrder) }

func waitersAreServedInOrder(t *testing.T) {
	p := New(10, time.Minute)
	p.Update(workers(1))
	acquire(t, p)
	var waiting []<-chan result
	for range 5 {
		waiting = append(waiting, later(t.Context(), p))
	}
	time.Sleep(time.Second) // of the bubble's clock
	for i, w := range waiting {
		p.Release(0)
		if r := <-w; r.err != nil {
			t.Fatalf("waiter %d: %v", i, r.err)
		}
		if n := p.Stats().Waiting; n != len(waiting)-1-i {
			t.Fatalf("%d wait after %d were served", n, i+1)
		}
	}
	if st := p.Stats(); st.Waited != 5 || st.WaitTime != 5*time.Second {
		t.Errorf("stats %+v", st)
	}
}

func TestRequestsWaitForTheFirstWorker(t *testing.T) { synctest.Test(t, requestsWaitForTheFirstWorker) }

func requestsWaitForTheFirstWorker(t *testing.T) {
	p := New(2, time.Minute)
	a, b := later(t.Context(), p), later(t.Context(), p)
	time.Sleep(time.Second) // of the bubble's clock
	if _, _, err := p.Acquire(t.Context()); !errors.Is(err, gateway.ErrNoCapacity) {
		t.Fatalf("a full queue gave %v", err)
	}
	if st := p.Stats(); st.OldestWait != time.Second || st.Refused != 1 {
		t.Errorf("stats %+v", st)
	}
	p.Update(workers(1, 1))
	if x, y := <-a, <-b; x.err != nil || y.err != nil || x.at == y.at {
		t.Errorf("got %+v and %+v", x, y)
	}
}

func TestWaitingEnds(t *testing.T) { synctest.Test(t, waitingEnds) }

func waitingEnds(t *testing.T) {
	p := New(5, time.Millisecond)
	if _, waited, err := p.Acquire(t.Context()); !errors.Is(err, gateway.ErrNoCapacity) || waited < time.Millisecond {
		t.Errorf("after %v: %v", waited, err)
	}
	p = New(5, time.Minute)
	ctx, cancel := context.WithCancelCause(t.Context())
	gone, stays := later(ctx, p), later(t.Context(), p)
	cancel(gateway.ErrClientGone)
	if r := <-gone; !errors.Is(r.err, gateway.ErrClientGone) {
		t.Errorf("cancelled: %v", r.err)
	}
	p.Update(workers(1))
	if r := <-stays; r.err != nil {
		t.Errorf("the one behind it: %v", r.err)
	}
	if st := p.Stats(); st.Left != 1 || st.InFlight != 1 || st.Waiting != 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestClosedWorkersGetNothing(t *testing.T) { synctest.Test(t, closedWorkersGetNothing) }

func closedWorkersGetNothing(t *testing.T) {
	p := New(5, time.Minute)
	ws := workers(1, 1, 1)
	ws[0].Draining = true
	p.Update(ws)
	p.Stall(1, true)
	p.Avoid(2, time.Hour)
	w := later(t.Context(), p)
	if n := p.Stats().Waiting; n != 1 {
		t.Fatalf("%d wait, want 1", n)
	}
	p.Stall(1, false)
	if r := <-w; r.at != 1 {
		t.Errorf("got slot %d", r.at)
	}
	p.Update(nil)
}

func TestAvoidingEnds(t *testing.T) { synctest.Test(t, avoidingEnds) }

func avoidingEnds(t *testing.T) {
	p := New(5, time.Minute)
	p.Update(workers(1))
	p.Avoid(0, time.Millisecond)
	if r := <-later(t.Context(), p); r.err != nil {
		t.Error(r.err)
	}
	p.Release(0)
	p.Avoid(0, time.Hour)
	next := workers(1)
	next[0].PID++
	p.Update(next)
	acquire(t, p)
}

func TestReplacedWorkerStartsEmpty(t *testing.T) {
	p := New(0, 0)
	p.Update(workers(2))
	acquire(t, p)
	acquire(t, p)
	next := workers(2)
	next[0].PID++
	p.Update(next)
	acquire(t, p)
	acquire(t, p)
	p.Release(0) // two of the dead worker's
	p.Release(0)
	if _, _, err := p.Acquire(t.Context()); !errors.Is(err, gateway.ErrNoCapacity) {
		t.Fatalf("a full worker gave %v", err)
	}
	p.Release(0)
	p.Release(0)
	if n := p.InFlight(0); n != 0 {
		t.Errorf("%d held", n)
	}
	p.Release(0)
	p.Release(77)
	p.Update(nil)
	p.Release(0)
	if st := p.Stats(); st.InFlight != 0 || p.InFlight(0) != 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestSmallerCapacityTakesNothingAway(t *testing.T) {
	synctest.Test(t, smallerCapacityTakesNothingAway)
}

func smallerCapacityTakesNothingAway(t *testing.T) {
	p := New(5, time.Minute)
	p.Update(workers(3))
	for range 3 {
		acquire(t, p)
	}
	p.Update(workers(1))
	w := later(t.Context(), p)
	p.Release(0)
	p.Release(0)
	if n := p.Stats().Waiting; n != 1 {
		t.Fatal("given above the new capacity")
	}
	p.Release(0)
	if r := <-w; r.err != nil {
		t.Error(r.err)
	}
}

func TestIdleDrainingWorkerIsToldOnce(t *testing.T) {
	p := New(0, 0)
	var told []int
	p.OnIdle = func(_, pid int) { told = append(told, pid) }
	p.Update(workers(2, 2))
	at := acquire(t, p)
	ws := workers(2, 2)
	ws[0].Draining, ws[1].Draining = true, true
	p.Update(ws)
	if len(told) != 1 || told[0] == 100+at {
		t.Fatalf("told %v, slot %d is busy", told, at)
	}
	p.Release(at)
	p.Update(ws)
	if len(told) != 2 || told[1] != 100+at {
		t.Fatalf("told %v", told)
	}
}

func TestConcurrentUse(t *testing.T) {
	const capacity, slots = 2, 3
	p := New(1000, time.Minute)
	p.Update(workers(capacity, capacity, capacity))
	var inFlight [slots]atomic.Int32
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 300 {
				ctx, cancel := t.Context(), context.CancelFunc(func() {})
				if (i+j)%5 == 0 {
					ctx, cancel = context.WithTimeout(ctx, time.Duration(j)*time.Microsecond)
				}
				at, _, err := p.Acquire(ctx)
				cancel()
				if err != nil {
					continue
				}
				if n := inFlight[at].Add(1); n > capacity {
					t.Errorf("slot %d has %d in flight", at, n)
				}
				inFlight[at].Add(-1)
				p.Release(at)
			}
		})
	}
	wg.Wait()
	if st := p.Stats(); st.InFlight != 0 || st.Waiting != 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestUncontendedAcquireDoesNotAllocate(t *testing.T) {
	p := New(10, time.Minute)
	p.Update(workers(4, 4))
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() {
		at, _, _ := p.Acquire(ctx)
		p.Release(at)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAcquire(b *testing.B) {
	for name, n := range map[string]int{"4 workers": 4, "500 workers": 500} {
		b.Run(name, func(b *testing.B) {
			p := New(100, time.Minute)
			caps := make([]int, n)
			for i := range caps {
				caps[i] = 100
			}
			p.Update(workers(caps...))
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					at, _, err := p.Acquire(context.Background())
					if err == nil {
						p.Release(at)
					}
				}
			})
		})
	}
}

func BenchmarkAcquireContended(b *testing.B) {
	p := New(10000, time.Minute)
	p.Update(workers(1))
	b.ReportAllocs()
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if at, _, err := p.Acquire(context.Background()); err == nil {
				p.Release(at)
			}
		}
	})
}

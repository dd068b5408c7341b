package budget

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestTry(t *testing.T) {
	b := New(100)
	one, two := b.Account(), b.Account()
	if !one.Try(60) || two.Try(41) || !two.Try(40) || one.Try(1) {
		t.Fatalf("used %d", b.Used())
	}
	one.Give(1000) // no more than it has
	if b.Used() != 40 || !one.Try(60) {
		t.Fatalf("used %d after giving back", b.Used())
	}
	two.Close()
	if b.Used() != 60 {
		t.Fatalf("used %d", b.Used())
	}
}

// Those who wait are served in the order in which they came, also when a later
// one wants less.
func TestOrder(t *testing.T) { synctest.Test(t, inOrder) }

func inOrder(t *testing.T) {
	b := New(100)
	first := b.Account()
	first.Try(100)
	blocker := b.Account() // goes beyond, so that nobody else does
	if err := blocker.Take(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	served := make(chan int, 2)
	for i, n := range []int64{50, 1} {
		go func() { _ = b.Account().Take(t.Context(), n); served <- i }()
		synctest.Wait() // it waits in line
	}
	if b.Account().Try(0) {
		t.Error("somebody went past those who wait")
	}
	first.Give(10) // enough for the second, not for the first
	select {
	case i := <-served:
		t.Fatalf("%d was served out of turn", i)
	case <-time.After(time.Minute):
	}
	first.Give(60)
	if a, c := <-served, <-served; a+c != 1 || b.Used() != 30+1+51 {
		t.Errorf("%d, %d, used %d", a, c, b.Used())
	}
}

// Accounts that hold something and want more come to their end one after the
// other; what is held never exceeds the total and one account's.
func TestNobodyWaitsForGood(t *testing.T) { synctest.Test(t, nobodyWaitsForGood) }

func nobodyWaitsForGood(t *testing.T) {
	const total, each, step, holders = 64, 40, 8, 20
	b := New(total)
	var all sync.WaitGroup
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for range holders {
		all.Go(func() {
			a := b.Account()
			for range each / step {
				if err := a.Take(ctx, step); err != nil {
					t.Error(err)
					return
				}
				if used := b.Used(); used > total+each {
					t.Errorf("%d of %d are used", used, total)
				}
				time.Sleep(time.Millisecond)
			}
			a.Close()
		})
	}
	all.Wait()
	if b.Used() != 0 || b.Waiting() != 0 {
		t.Errorf("%d used and %d waiting at the end", b.Used(), b.Waiting())
	}
}

func TestTakeWithin(t *testing.T) { synctest.Test(t, takeWithin) }

func takeWithin(t *testing.T) {
	b := New(10)
	first := b.Account()
	first.Try(8)
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := b.Account().TakeWithin(short, 5); !errors.Is(err, context.DeadlineExceeded) || b.Used() != 8 {
		t.Fatalf("%v, %d used", err, b.Used())
	}
	done := make(chan error)
	go func() { done <- b.Account().TakeWithin(t.Context(), 5) }()
	synctest.Wait() // it waits in line
	first.Give(3)
	if err := <-done; err != nil || b.Used() != 10 {
		t.Errorf("%v, %d used", err, b.Used())
	}
}

func TestGivingUp(t *testing.T) { synctest.Test(t, givingUp) }

func givingUp(t *testing.T) {
	b := New(10)
	b.Account().Try(10)
	beyond := b.Account()
	if err := beyond.Take(t.Context(), 5); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	left := errors.New("left")
	done := make(chan error)
	go func() { done <- b.Account().Take(ctx, 5) }()
	synctest.Wait() // it waits in line
	cancel(left)
	if err := <-done; !errors.Is(err, left) || b.Waiting() != 0 || b.Used() != 15 {
		t.Errorf("%v, %d waiting, %d used", err, b.Waiting(), b.Used())
	}
	beyond.Close()
	if err := b.Account().Take(t.Context(), 5); err != nil { // the next one may go beyond
		t.Error(err)
	}
}

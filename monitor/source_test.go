package monitor

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// slow is an arbiter that takes a while for each answer.
type slow struct {
	takes time.Duration
	asked map[string]int
}

func (s *slow) Get(ctx context.Context, path string, _ any) error {
	s.asked[path]++
	timer := time.NewTimer(s.takes)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Many clients of the monitor are one question to the arbiter, and none gets an
// old answer.
func TestAnswersAreReused(t *testing.T) { synctest.Test(t, answersAreReused) }

func answersAreReused(t *testing.T) {
	arbiter := &slow{asked: map[string]int{}}
	s := newSource(arbiter)
	ask := func(want int) {
		t.Helper()
		if _, err := s.Status(); err != nil {
			t.Fatal(err)
		}
		if n := arbiter.asked["/status"]; n != want {
			t.Fatalf("the arbiter was asked %d times, want %d", n, want)
		}
	}
	for range 100 {
		ask(1)
	}
	time.Sleep(fresh - time.Millisecond)
	ask(1)
	time.Sleep(time.Millisecond)
	ask(2)
	if _, err := s.Requests(); err != nil || arbiter.asked["/requests"] != 1 { // no answer to the other question
		t.Errorf("%v, asked %v", err, arbiter.asked)
	}
}

// An arbiter that says nothing is an error after a bounded time, and the next
// client has it asked again.
func TestErrorsAreNotReused(t *testing.T) { synctest.Test(t, errorsAreNotReused) }

func errorsAreNotReused(t *testing.T) {
	arbiter := &slow{takes: time.Hour, asked: map[string]int{}}
	s := newSource(arbiter)
	for n := range 2 {
		began := time.Now()
		_, err := s.Status()
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != answerTimeout || arbiter.asked["/status"] != n+1 {
			t.Errorf("%v after %v, asked %v", err, took, arbiter.asked)
		}
	}
	arbiter.takes = 0
	if _, err := s.Status(); err != nil {
		t.Error(err)
	}
}

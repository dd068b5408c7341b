package loop

import (
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running starts a loop, which ends with the test.
func running(t *testing.T) *Loop {
	t.Helper()
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); l.Run() }()
	t.Cleanup(func() { l.Stop(); <-done })
	return l
}

type called func(Events)

func (f called) Ready(ev Events) { f(ev) }

func pair(t *testing.T) (ours, theirs int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		unix.CloseOnExec(fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { unix.Close(fds[0]); unix.Close(fds[1]) })
	return fds[0], fds[1]
}

func TestPostsAreDoneInOrder(t *testing.T) {
	l := running(t)
	var got []int
	for i := range 1000 {
		l.Post(func() { got = append(got, i) })
	}
	l.Do(func() {
		if len(got) != 1000 || !slices.IsSorted(got) {
			t.Errorf("%d of 1000, in order: %v", len(got), slices.IsSorted(got))
		}
	})
}

func TestWatchTellsEdges(t *testing.T) {
	l := running(t)
	ours, theirs := pair(t)
	seen := make(chan Events, 16)
	l.Do(func() {
		if err := l.Watch(ours, called(func(ev Events) { seen <- ev })); err != nil {
			t.Error(err)
		}
	})
	if ev := <-seen; ev != Writable {
		t.Errorf("at first %b", ev)
	}
	_, _ = unix.Write(theirs, []byte("x"))
	if ev := <-seen; ev&Readable == 0 {
		t.Errorf("after a write %b", ev)
	}
	_ = unix.Shutdown(theirs, unix.SHUT_WR)
	if ev := <-seen; ev&HungUp == 0 {
		t.Errorf("after the end %b", ev)
	}
}

// A descriptor that is forgotten, and one with the same number after it, hear
// nothing that was the first one's.
func TestForgottenDescriptorHearsNothing(t *testing.T) {
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	a, b := pair(t)
	c, d := pair(t)
	for _, fd := range []int{b, d} {
		_, _ = unix.Write(fd, []byte("x"))
	}
	told := 0
	forget := func(other int) called {
		return func(Events) {
			told++
			l.Forget(other)
			if err := l.Watch(other, called(func(Events) { t.Error("told of what was there before, in the same turn") })); err != nil {
				t.Error(err)
			}
			l.Forget(other)
		}
	}
	if err := l.Watch(a, forget(c)); err != nil {
		t.Fatal(err)
	}
	if err := l.Watch(c, forget(a)); err != nil {
		t.Fatal(err)
	}
	l.turn()
	if told != 1 {
		t.Errorf("%d told, want the first", told)
	}
	l.poller.close()
}

type expirer func(*Deadline)

func (f expirer) Expired(d *Deadline) { f(d) }

func TestDeadlinesExpireInOrder(t *testing.T) {
	l := running(t)
	got := make(chan string, 3)
	var first, second, third Deadline
	l.Do(func() {
		short, long, never := l.Deadlines(10*time.Millisecond), l.Deadlines(30*time.Millisecond), l.Deadlines(0)
		for name, d := range map[string]*Deadline{"first": &first, "second": &second, "third": &third} {
			d.Owner = expirer(func(*Deadline) { got <- name })
		}
		long.Arm(&first)
		short.Arm(&second)
		short.Arm(&first) // again, behind the second
		short.Arm(&third)
		never.Arm(&third) // which disarms it
		if third.Armed() || !first.Armed() || first.List() != short {
			t.Error("a deadline is not in the list where it was armed last")
		}
	})
	if a, b := <-got, <-got; a != "second" || b != "first" {
		t.Errorf("expired: %s, %s", a, b)
	}
}

// Who takes another's place expires when that one would have.
func TestReplacedDeadlineKeepsItsTime(t *testing.T) {
	l := running(t)
	got := make(chan string, 3)
	var first, second, instead Deadline
	l.Do(func() {
		list := l.Deadlines(20 * time.Millisecond)
		for name, d := range map[string]*Deadline{"first": &first, "second": &second, "instead": &instead} {
			d.Owner = expirer(func(*Deadline) { got <- name })
		}
		list.Arm(&first)
		list.Arm(&second)
		list.Replace(&first, &instead)
		if first.Armed() || !instead.Armed() || instead.at.After(second.at) {
			t.Error("the place was not taken over")
		}
	})
	if a, b := <-got, <-got; a != "instead" || b != "second" {
		t.Errorf("expired: %s, %s", a, b)
	}
}

// A pace allows so many, and after a while as many again.
func TestPaceAllowsSoMany(t *testing.T) {
	l := running(t)
	p := l.Pace(2, 5*time.Millisecond)
	got := func() (allowed int) {
		l.Do(func() {
			for range 10 {
				if p.Allow() {
					allowed++
				}
			}
		})
		return allowed
	}
	if n := got(); n != 2 {
		t.Errorf("%d at first", n)
	}
	for n := got(); n != 2; n = got() {
		if n != 0 {
			t.Fatalf("%d later", n)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestTimersAreCalledOnceUnlessStopped(t *testing.T) {
	l := running(t)
	got := make(chan int, 3)
	l.Do(func() {
		l.After(20*time.Millisecond, func() { got <- 2 })
		l.After(10*time.Millisecond, func() { got <- 1 })
		l.After(5*time.Millisecond, func() { got <- 0 }).Stop()
	})
	if a, b := <-got, <-got; a != 1 || b != 2 {
		t.Errorf("called: %d, %d", a, b)
	}
}

// A post wakes a loop that waits without an end.
func BenchmarkDo(b *testing.B) {
	l, err := New()
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); l.Run() }()
	for b.Loop() {
		l.Do(func() {})
	}
	l.Stop()
	<-done
}

// Whoever asks while the loop ends is not left waiting.
func TestDoReturnsWhileTheLoopEnds(t *testing.T) {
	for range 300 {
		l, err := New()
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { defer close(ended); l.Run() }()
		var asking sync.WaitGroup
		for range 8 {
			asking.Go(func() {
				for range 50 {
					l.Do(func() {})
				}
			})
		}
		l.Stop()
		<-ended
		asked := make(chan struct{})
		go func() { asking.Wait(); close(asked) }()
		select {
		case <-asked:
		case <-time.After(10 * time.Second):
			t.Fatal("somebody waits for a loop that has ended")
		}
	}
}

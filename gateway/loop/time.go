package loop

import (
	"time"

	"github.com/gonicorn/gonicorn/internal/fifo"
)

// Expirer is told that a deadline has passed.
type Expirer interface{ Expired(d *Deadline) }

// Deadline is one timeout. It is part of the struct that has the timeout, so arming
// it allocates nothing.
type Deadline struct {
	Owner Expirer
	at    time.Time
	list  *Deadlines
	place fifo.Place[*Deadline]
}

// Armed reports whether the deadline runs.
func (d *Deadline) Armed() bool { return d.list != nil }

// List is the list in which the deadline runs; nil for none.
func (d *Deadline) List() *Deadlines { return d.list }

// Disarm stops d.
func (d *Deadline) Disarm() {
	if l := d.list; l != nil {
		l.armed.Remove(&d.place)
		d.list = nil
	}
}

// Deadlines are the timeouts of one kind. All of them take the same time, so
// that the first to be armed is the first to expire.
type Deadlines struct {
	After time.Duration
	loop  *Loop
	armed fifo.List[*Deadline]
}

// Deadlines makes a kind of timeouts.
func (l *Loop) Deadlines(after time.Duration) *Deadlines {
	d := &Deadlines{After: after, loop: l}
	l.lists = append(l.lists, d)
	return d
}

// Arm starts d, or restarts it, whichever list it was in. With an After of 0 or less
// it never expires.
func (l *Deadlines) Arm(d *Deadline) {
	d.Disarm()
	if l.After <= 0 {
		return
	}
	d.at, d.list, d.place.Of = l.loop.now.Add(l.After), l, d
	l.armed.Push(&d.place)
}

// Replace makes by expire in place of d, at the same time, if d runs in l.
func (l *Deadlines) Replace(d, by *Deadline) {
	if d.list != l {
		return
	}
	by.at, by.list, by.place.Of = d.at, l, by
	l.armed.Replace(&d.place, &by.place)
	d.list = nil
}

// Timer calls a function once.
type Timer struct {
	loop *Loop
	at   time.Time
	call func()
}

// After calls f after d, unless the timer is stopped.
func (l *Loop) After(d time.Duration, f func()) *Timer {
	t := &Timer{loop: l, at: l.now.Add(d), call: f}
	l.timers = append(l.timers, t)
	return t
}

// Stop stops the timer; a nil one too.
func (t *Timer) Stop() {
	if t == nil {
		return
	}
	for i, other := range t.loop.timers {
		if other == t {
			t.loop.timers = append(t.loop.timers[:i], t.loop.timers[i+1:]...)
			return
		}
	}
}

// Pace allows a limited number of events in a period.
type Pace struct {
	loop  *Loop
	most  int
	every time.Duration
	n     int
}

// Pace makes a pace: most in each `every`.
func (l *Loop) Pace(most int, every time.Duration) *Pace {
	return &Pace{loop: l, most: most, every: every}
}

// Allow reports whether there may be another one now.
func (p *Pace) Allow() bool {
	if p.n == p.most {
		return false
	}
	if p.n++; p.n == 1 {
		p.loop.After(p.every, func() { p.n = 0 })
	}
	return true
}

// expire calls everything whose time has come.
func (l *Loop) expire() {
	for _, list := range l.lists {
		for p := list.armed.First(); p != nil && !p.Of.at.After(l.now); p = list.armed.First() {
			p.Of.Disarm()
			p.Of.Owner.Expired(p.Of)
		}
	}
	for i := 0; i < len(l.timers); {
		t := l.timers[i]
		if t.at.After(l.now) {
			i++
			continue
		}
		l.timers = append(l.timers[:i], l.timers[i+1:]...)
		t.call()
		i = 0 // it may have changed the list
	}
}

// waitTime is how long the loop may wait for events; negative means for ever.
func (l *Loop) waitTime() time.Duration {
	var next time.Time
	earlier := func(at time.Time) {
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	for _, list := range l.lists {
		if p := list.armed.First(); p != nil {
			earlier(p.Of.at)
		}
	}
	for _, t := range l.timers {
		earlier(t.at)
	}
	if next.IsZero() {
		return -1
	}
	return max(0, time.Until(next))
}

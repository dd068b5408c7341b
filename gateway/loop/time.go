package loop

import "time"

// Expirer is told that a deadline has passed.
type Expirer interface{ Expired(d *Deadline) }

// Deadline is one thing that has a time-out. It is part of what has it, so that
// arming it allocates nothing.
type Deadline struct {
	Owner      Expirer
	at         time.Time
	list       *Deadlines
	prev, next *Deadline
}

// Armed reports whether the deadline runs.
func (d *Deadline) Armed() bool { return d.list != nil }

// List is the list that the deadline is in, or was in when it expired.
func (d *Deadline) List() *Deadlines { return d.list }

// Deadlines are the time-outs of one kind. All of them take the same time, so
// that the first to be armed is the first to expire.
type Deadlines struct {
	After time.Duration
	loop  *Loop
	first *Deadline
	last  *Deadline
}

// Deadlines makes a kind of time-outs.
func (l *Loop) Deadlines(after time.Duration) *Deadlines {
	d := &Deadlines{After: after, loop: l}
	l.lists = append(l.lists, d)
	return d
}

// Arm starts d anew, in whichever list it was. With an After of 0 or less it
// never expires.
func (l *Deadlines) Arm(d *Deadline) {
	d.Disarm()
	if l.After <= 0 {
		return
	}
	d.at, d.list, d.prev = l.loop.now.Add(l.After), l, l.last
	if l.last == nil {
		l.first = d
	} else {
		l.last.next = d
	}
	l.last = d
}

// Disarm stops d.
func (d *Deadline) Disarm() {
	l := d.list
	if l == nil {
		return
	}
	if d.prev == nil {
		l.first = d.next
	} else {
		d.prev.next = d.next
	}
	if d.next == nil {
		l.last = d.prev
	} else {
		d.next.prev = d.prev
	}
	d.prev, d.next, d.list = nil, nil, nil
}

// Timer calls a function once.
type Timer struct {
	loop *Loop
	at   time.Time
	call func()
}

// After has f called after d, unless the timer is stopped.
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

// expire calls all whose time has come.
func (l *Loop) expire() {
	for _, list := range l.lists {
		for d := list.first; d != nil && !d.at.After(l.now); d = list.first {
			d.Disarm()
			d.Owner.Expired(d)
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

// patience is how long the loop may wait; below 0 without an end.
func (l *Loop) patience() time.Duration {
	var next time.Time
	earlier := func(at time.Time) {
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	for _, list := range l.lists {
		if list.first != nil {
			earlier(list.first.at)
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

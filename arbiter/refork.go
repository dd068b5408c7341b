package arbiter

import "time"

// Refork makes a worker that has served the origin of further workers: they are
// forked from a copy of it. Its methods are called from the loop and return at once.
type Refork interface {
	// Wanted reports whether a worker may still become the origin.
	Wanted() bool
	// Promote is called just before a worker is told to go because of
	// refork_after: it should leave a copy of itself behind.
	Promote(p Place)
	// Lost is called when a worker hung, or died soon after its start: the copy
	// that it was forked from may be bad.
	Lost(p Place, why string)
}

// Renewal is why all workers are replaced by copies of another process.
type Renewal int

const (
	Reforked     Renewal = iota // a worker that has served is now the origin
	ReforkUndone                // and that was undone
)

// renew marks all workers for replacement.
func (f *fleet) renew(why Renewal) {
	c := byRefork
	if why == ReforkUndone {
		c = byUndoneRefork
	}
	for _, s := range f.positions {
		if s.current != nil && !s.current.leaving.wanted.given() {
			s.current.retireFor(c, false)
		}
	}
}

// young is the age below which the death of a worker is blamed on the process
// that it was forked from.
const young = time.Minute

// asksToRetire records that a worker asks to be replaced. The first reason
// stands. For refork_after, one worker goes at a time, and only while its
// generation still wants an origin.
func (f *fleet) asksToRetire(w *worker, word string) {
	if w.leaving.wanted.given() || !w.stage.wanted() {
		return
	}
	c := askedCause(word)
	if c == byRefork {
		r := w.gen.Refork
		if r == nil || w.gen != f.current || !r.Wanted() || f.reforking() {
			return
		}
	}
	w.retireFor(c, c == byRefork)
}

// reforking reports whether a worker is about to become the origin.
func (f *fleet) reforking() bool {
	for _, w := range f.workers() {
		if w.leaving.origin {
			return true
		}
	}
	return false
}

// promotes makes a worker that is about to be replaced leave a copy of itself,
// if it is replaced because of refork_after.
func (f *fleet) promotes(w *worker) {
	if w.leaving.origin && w.gen.Refork != nil {
		w.gen.Refork.Promote(w.place)
	}
}

// reportLost tells the worker's generation that it hung or died young.
func (f *fleet) reportLost(w *worker, why string, now time.Duration) {
	if w.gen.Refork != nil && (w.leaving.hung || now-w.started < young) {
		w.gen.Refork.Lost(w.place, why)
	}
}

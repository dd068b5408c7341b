// Package loop runs callbacks for descriptors, timeouts and other goroutines
// one after the other. Data of callbacks needs no lock.
package loop

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// yieldAfter is how long the loop goes on before it lets other goroutines run. The
// runtime takes a goroutine that runs for 10 ms for one that computes: it then looks
// after it every 20 µs, and takes its processor away whenever it waits for events.
// That costs a tenth of the CPU time of a gateway whose app takes 100 µs a request.
const yieldAfter = 5 * time.Millisecond

// Events say what can be done with a descriptor.
type Events uint32

// The events of a descriptor. They are edges: each is reported once.
const (
	Readable Events = 1 << iota
	Writable
	HungUp // the peer has sent its last byte, or the connection has broken
)

// Handler is told what has happened to a descriptor. It is called on the
// loop's goroutine and must not block.
type Handler interface{ Ready(ev Events) }

// Loop is one event loop. Post and Do may be called from any goroutine, all
// other methods only from callbacks, or before Run.
type Loop struct {
	poller  *poller
	files   []file // by descriptor
	lists   []*Deadlines
	timers  []*Timer
	atEnd   []func()
	now     time.Time // when this turn began
	ready   []event
	stopped bool
	pacing  pacing
	handled atomic.Uint64 // events since the start

	mu     sync.Mutex
	posted []func()
	asleep bool // the loop waits, or is about to
	closed bool
	taken  []func() // a list that is used again
}

// pacing is how Run uses the threads of the system.
type pacing struct {
	pinned  bool      // it stays on one
	yielded time.Time // when other goroutines had their turn last
}

// file is what the loop knows of a descriptor. A generation tells events of a
// descriptor that was closed in the same turn from those of its successor.
type file struct {
	handler    Handler
	generation int32
}

// event is what the poller saw.
type event struct {
	fd, generation int32
	events         Events
}

// New makes a loop; Run runs it.
func New() (*Loop, error) {
	p, err := newPoller()
	if err != nil {
		return nil, fmt.Errorf("make event loop: %w", err)
	}
	return &Loop{poller: p, now: time.Now(), ready: make([]event, 0, maxEvents)}, nil
}

// Handled returns how many events there were since the start. Any goroutine may call it.
func (l *Loop) Handled() uint64 { return l.handled.Load() }

// Now is when this turn of the loop began.
func (l *Loop) Now() time.Time { return l.now }

// Watch reports all events of fd to h until Forget. fd must not block.
func (l *Loop) Watch(fd int, h Handler) error { return l.watch(l.poller.add, fd, h) }

// WatchInput is Watch without Writable, which a unix socket becomes whenever its peer
// has read.
func (l *Loop) WatchInput(fd int, h Handler) error { return l.watch(l.poller.addInput, fd, h) }

// WatchShared is Watch for a descriptor on which other processes wait as well,
// such as a listening socket: one of them is woken for an event. The event is
// reported again as long as the descriptor is readable.
func (l *Loop) WatchShared(fd int, h Handler) error { return l.watch(l.poller.addShared, fd, h) }

func (l *Loop) watch(add func(fd int, generation int32) error, fd int, h Handler) error {
	f := l.file(fd)
	if err := add(fd, f.generation); err != nil {
		return fmt.Errorf("watch descriptor %d: %w", fd, err)
	}
	f.handler = h
	return nil
}

func (l *Loop) file(fd int) *file {
	for len(l.files) <= fd {
		l.files = append(l.files, make([]file, max(64, len(l.files)))...)
	}
	return &l.files[fd]
}

// Forget ends Watch. The descriptor stays open.
func (l *Loop) Forget(fd int) {
	if fd < 0 || fd >= len(l.files) || l.files[fd].handler == nil {
		return
	}
	l.files[fd].handler = nil
	l.files[fd].generation++
	l.poller.remove(fd)
}

// AtTurnEnd calls f at the end of every turn, before the loop waits. The function
// that was added last is called first: its work may make work for the others.
func (l *Loop) AtTurnEnd(f func()) { l.atEnd = append(l.atEnd, f) }

// Post calls f on the loop's goroutine, soon and in order. After Run has ended it does
// nothing.
func (l *Loop) Post(f func()) { l.post(f) }

// post reports whether f will be called.
func (l *Loop) post(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.posted = append(l.posted, f)
	if l.asleep {
		l.asleep = false
		l.poller.wake() // under the lock: the poller is open as long as the loop is not closed
	}
	return true
}

// Do is Post that waits until f has returned. It must not be called on the
// loop's goroutine. After Stop it may return without having called f.
func (l *Loop) Do(f func()) {
	done := make(chan struct{})
	if l.post(func() {
		defer close(done)
		f()
	}) {
		<-done
	}
}

// Stop ends Run once what was posted before has been done.
func (l *Loop) Stop() { l.Post(func() { l.stopped = true }) }

// KeepThread makes Run stay on one thread of the system. That is better beside programs
// that interrupt this one, as commands do, and worse beside busy Python workers.
func (l *Loop) KeepThread() { l.pacing.pinned = true }

// Run serves until Stop.
func (l *Loop) Run() {
	if l.pacing.pinned {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
	}
	for !l.stopped {
		l.turn()
		if l.now.Sub(l.pacing.yielded) >= yieldAfter {
			runtime.Gosched()
			l.pacing.yielded = l.now
		}
	}
	l.mu.Lock()
	l.closed = true
	rest := l.posted
	l.posted = nil
	l.mu.Unlock()
	for _, f := range rest {
		f()
	}
	l.poller.close()
}

// turn handles all pending events, and waits if there are none.
func (l *Loop) turn() {
	events, _ := l.poller.poll(l.ready[:0])
	if len(events) == 0 {
		l.mu.Lock()
		l.asleep = len(l.posted) == 0
		asleep := l.asleep
		l.mu.Unlock()
		if asleep {
			events, _ = l.poller.wait(l.ready[:0], l.waitTime()) // an interrupted wait is a turn with nothing in it
			l.mu.Lock()
			l.asleep = false
			l.mu.Unlock()
		}
	}
	l.now = time.Now()
	l.handled.Store(l.handled.Load() + uint64(len(events)))
	for i := range events {
		e := &events[i]
		if f := &l.files[e.fd]; f.handler != nil && f.generation == e.generation {
			f.handler.Ready(e.events)
		}
	}
	l.runPosted()
	l.expire()
	for i := len(l.atEnd) - 1; i >= 0; i-- {
		l.atEnd[i]()
	}
}

// runPosted calls the functions that other goroutines have posted.
func (l *Loop) runPosted() {
	l.mu.Lock()
	if len(l.posted) == 0 {
		l.mu.Unlock()
		return
	}
	all := l.posted
	l.posted, l.taken = l.taken[:0], nil
	l.mu.Unlock()
	for i, f := range all {
		f()
		all[i] = nil
	}
	l.taken = all[:0]
}

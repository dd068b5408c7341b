package python

import (
	"cmp"
	"slices"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/dispatch"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/gateway/python/link"
	"github.com/gonicorn/gonicorn/gateway/shm"
	"golang.org/x/sys/unix"
)

// slots returns how many slots a worker has for short answers, and for parts of long
// ones, that the gateway has not read yet. capacity is how many requests the worker
// takes at once. shared says that it takes one request a thread.
func slots(shared bool, capacity int) (small, large int) {
	if shared {
		return max(64, 2*capacity), max(16, min(6*capacity, 64))
	}
	return 256, 32
}

// member is a worker that is known from Update, from attach, or from both. It belongs
// to the loop.
type member struct {
	b      *Backend
	worker gateway.Worker
	known  bool // Update has it
	pid    int
	link   *link.Link // nil if its socket is closed, or before attach
	ready  bool       // it has said hello
	away   bool       // it wants no more requests
	ownPipe
	answers *shm.Answers
	done    int  // the pipe from which its tokens of answers are read; -1 once closed
	load    int  // requests in its own pipe or at the worker; WebSockets with places of their own do not count
	sockets int  // WebSockets, and requests for one
	warned  bool // its stall has been logged
	told    bool // OnIdle was called

	share dispatch.Share // while it is on trial
}

// ownPipe is the pipe of one worker.
type ownPipe struct {
	own     *pipe // nil if the worker takes requests from the shared pipe
	batches batches
}

// attach makes pipes, memory and link for a worker.
func (b *Backend) attach(w gateway.Worker, fd int) error {
	m := &member{b: b, worker: w, pid: w.PID, done: -1}
	var err error
	if m.answers, err = shm.NewAnswers(slots(b.o.Shared, w.Capacity)); err != nil {
		unix.Close(fd)
		return err
	}
	done, err := newPipe()
	if err == nil && (!b.o.Shared || w.Share > 0) {
		m.own, err = newPipe()
	}
	if err != nil {
		done.close()
		unix.Close(fd)
		m.close()
		return err
	}
	m.done = done.r
	m.batches.open(m)
	defer unix.Close(done.w)
	if err := b.greet(m, fd, done.w); err != nil {
		m.close()
		return err
	}
	if err := b.loop.Watch(m.done, m); err != nil {
		m.link.Hangup()
		m.close()
		return err
	}
	if old := b.members[w.Slot]; old != nil && old.link != nil {
		old.link.Finish() // the old worker is gone: its slot is taken
	}
	b.set(w.Slot, m)
	b.links[m.link] = m
	return nil
}

// greet makes the link over the worker's own socket, and takes over fd.
func (b *Backend) greet(m *member, fd, done int) error {
	from := b.shared
	if m.own != nil {
		from = m.own
	}
	all, err := files(b.requests.FD(), m.answers.FD(), from.r, done)
	if err != nil {
		unix.Close(fd)
		return err
	}
	small, large := m.answers.Len()
	plane := link.Plane{
		Slots: b.requests.Len(), RequestSize: shm.RequestSize, Files: all,
		Answers: small, AnswerSize: shm.AnswerSize, Large: large, LargeSize: shm.LargeSize, Batches: shm.Batches,
	}
	m.link, err = link.New(fd, m.worker.Slot, m.pid, plane, b.registry, owner{b})
	return err
}

// set puts a worker into a slot; nil removes it.
func (b *Backend) set(slot int, m *member) {
	if m == nil {
		delete(b.members, slot)
	} else {
		b.members[slot] = m
	}
	b.order = b.order[:0]
	for _, m := range b.members {
		b.order = append(b.order, m)
	}
	slices.SortFunc(b.order, func(a, b *member) int { return cmp.Compare(a.worker.Slot, b.worker.Slot) })
}

// close closes the worker's pipes and memory.
func (m *member) close() {
	if m.done >= 0 {
		m.b.loop.Forget(m.done)
		unix.Close(m.done)
		m.done = -1
	}
	m.own.close()
	m.own = nil
	if m.answers != nil {
		m.answers.Close()
		m.answers = nil
	}
}

// Ready implements loop.Handler. Tokens of answers have come.
func (m *member) Ready(loop.Events) { m.b.answered(m) }

// takes reports whether the worker takes requests.
func (m *member) takes() bool {
	return m.known && m.link != nil && m.ready && !m.away && !m.worker.Draining
}

// update replaces the set of workers.
func (b *Backend) update(workers []gateway.Worker) {
	for _, m := range b.members {
		m.known = false
	}
	for _, w := range workers {
		m := b.members[w.Slot]
		if m == nil {
			m = &member{b: b, pid: w.PID, done: -1}
			m.worker = w
			b.set(w.Slot, m)
		}
		m.worker, m.known = w, true
		if w.Draining && m.link != nil {
			m.link.Restart()
		}
	}
	for slot, m := range b.members {
		if m.known {
			continue
		}
		if m.link != nil {
			m.link.Finish() // what it has answered is still read
		} else {
			b.set(slot, nil)
			if b.shared != nil {
				b.search.until = b.shared.sent // it may have taken requests after its link was closed
				b.searchLost()
			}
		}
	}
	b.admit()
	b.reportIdle()
}

// reportIdle calls OnIdle for workers on trial that drain and have nothing in flight.
func (b *Backend) reportIdle() {
	if !b.o.Shared || b.o.OnIdle == nil {
		return
	}
	for _, m := range b.order {
		if m.own != nil && m.known && m.worker.Draining && m.load == 0 && !m.told {
			m.told = true
			b.o.OnIdle(m.worker.Slot, m.pid)
		}
	}
}

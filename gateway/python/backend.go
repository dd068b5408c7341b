// Package python is the backend of Python workers of every class. Requests and answers
// go through shared memory, and pipes with tokens. Anything that does not fit there
// goes over the worker's own socket (package link). All state belongs to the event
// loop.
package python

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/gateway/python/link"
	"github.com/gonicorn/gonicorn/gateway/shm"
	"github.com/gonicorn/gonicorn/gateway/text"
	"github.com/gonicorn/gonicorn/internal/fifo"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// Options are the parts of a backend and its settings.
type Options struct {
	Loop *loop.Loop
	Env  *link.Env
	// Shared is for workers that serve one request a thread. Idle workers take requests
	// from one pipe, so that the kernel is the dispatcher. Without it every worker has
	// a pipe of its own, and gets many requests at once.
	Shared       bool
	RequestPipe  []int         // both ends of the shared pipe, which workers must not be able to open again; nil makes one
	StallAfter   time.Duration // a worker whose loop has not run for so long gets no requests; 0 is never
	QueueSize    int           // requests that may wait for a worker
	QueueTimeout time.Duration // how long they may wait; 0 is no bound
	Sockets      int           // WebSockets at one worker besides its requests; 0: they count as requests
	// OnIdle is called once for a worker on trial, with Shared, when it drains and has
	// nothing in flight any more. It must not wait. It may be nil.
	OnIdle func(slot, pid int)
}

// Backend implements gateway.Backend. Fields with the comment "loop" are used only on
// the loop's goroutine.
type Backend struct {
	o        Options
	loop     *loop.Loop
	env      *link.Env
	registry *link.Registry
	requests *shm.Requests // loop
	calls    []*call       // loop: by slot in requests
	roster
	late *loop.Deadlines // loop: for the calls in waiting
	queue
	sharing
	said                           // loop
	sockets                        // loop
	tokens  []byte                 // loop: the buffer for reading tokens
	app     atomic.Pointer[string] // the app's interface, once a worker has said it
	known   chan struct{}          // closed when app is set
}

// sharing is the pipe that workers share, and the search for requests that were lost in it.
type sharing struct {
	shared *pipe      // loop: the pipe that workers share; nil unless Options.Shared
	taking bool       // loop: requests are taken, until TakeNoMore
	search lostSearch // loop
}

// queue is the calls that wait for a worker.
type queue struct {
	waiting fifo.List[*call] // loop
	recheck *loop.Timer      // loop: calls admit again
}

// roster is the workers that the backend knows. All of it belongs to the loop.
type roster struct {
	members map[int]*member        // loop: by slot on the scoreboard
	order   []*member              // loop: members, sorted by slot
	next    int                    // loop: the index in order where the next search starts
	links   map[*link.Link]*member // loop: until Closed, also for workers that are gone
}

// said is the head of the answer that is being parsed.
type said struct {
	scratch [shm.AnswerSize]byte // a copy of the head
	told    gateway.Answer
	fields  []gateway.Field
	text    text.Memory // for their strings
}

// New makes a backend without workers.
func New(o Options) (*Backend, error) {
	requests, err := shm.NewRequests(shm.MostRequests)
	if err != nil {
		return nil, fmt.Errorf("make backend: %w", err)
	}
	b := &Backend{
		o: o, loop: o.Loop, env: o.Env, registry: link.NewRegistry(o.Env), requests: requests,
		calls: make([]*call, requests.Len()), roster: roster{members: map[int]*member{}, links: map[*link.Link]*member{}},
		sharing: sharing{taking: true}, tokens: make([]byte, tokenBatch), known: make(chan struct{}),
	}
	if o.Shared {
		if b.shared, err = sharedPipe(o.RequestPipe); err != nil {
			requests.Close()
			return nil, fmt.Errorf("make backend: %w", err)
		}
	}
	b.late = b.loop.Deadlines(o.QueueTimeout)
	b.sockets.make(b)
	b.loop.AtTurnEnd(b.flush)
	return b, nil
}

// Serve implements gateway.Backend.
func (b *Backend) Serve(ctx context.Context, r *gateway.Request, w gateway.Reply) error {
	if x, is := r.Begun.(*link.Exchange); is {
		r.Begun = nil
		x.Attach(r, w)
		r.ASGI = b.App() == link.ASGI
		return b.run(ctx, x, r)
	}
	if r.Upgrade == "websocket" {
		if refused, err := b.refuse(ctx, r, w); refused || err != nil {
			return err
		}
	}
	c := &call{request: r, socket: r.Upgrade == "websocket"}
	x := b.registry.New(b.registry.NextNumber(), time.Now(), r, w, c, func(*link.Exchange) {
		b.loop.Post(func() { b.end(c) })
	})
	c.number, c.exchange = x.Number, x
	x.Upgraded = b.upgrader(c)
	b.loop.Post(func() { b.submit(c) })
	return b.run(ctx, x, r)
}

// refuse answers an invalid WebSocket handshake. It waits until the app's interface is
// known.
func (b *Backend) refuse(ctx context.Context, r *gateway.Request, w gateway.Reply) (bool, error) {
	var late <-chan time.Time
	if b.o.QueueTimeout > 0 {
		timer := time.NewTimer(b.o.QueueTimeout)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-b.known:
	case <-late:
		return false, gateway.ErrNoCapacity
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
	return link.Refuse(r, w, *b.app.Load())
}

// run carries the answer to the client.
func (b *Backend) run(ctx context.Context, x *link.Exchange, r *gateway.Request) error {
	err := x.Run(ctx)
	if c, is := x.Call.(*call); is && !x.Over() {
		b.loop.Post(func() { b.leave(c) })
	}
	return err
}

// Update implements gateway.Backend.
func (b *Backend) Update(workers []gateway.Worker) {
	b.loop.Post(func() { b.update(workers) })
}

// Attach takes over the gateway's end of a worker's own socket. It is called
// before the Update that names the worker.
func (b *Backend) Attach(w gateway.Worker, fd int) error {
	var err error
	b.loop.Do(func() { err = b.attach(w, fd) })
	if err != nil {
		return fmt.Errorf("attach worker pid %d: %w", w.PID, err)
	}
	return nil
}

// ForgetMemory tells all workers that a file in memory is not used any more.
func (b *Backend) ForgetMemory(id uint64) {
	b.loop.Post(func() {
		for l := range b.links {
			l.Forget(id)
		}
	})
}

// TakeNoMore ends waiting for a worker. Requests that wait, that come later, or that
// are in the shared pipe, fail with gateway.ErrNoCapacity.
func (b *Backend) TakeNoMore() { b.loop.Do(b.takeNoMore) }

// Look logs stalls. It is called from time to time.
func (b *Backend) Look() {
	b.loop.Post(b.look)
}

// Stats are the numbers of one moment.
type Stats struct {
	InFlight   int           // requests with the workers
	Waiting    int           // requests that no worker has taken
	OldestWait time.Duration // how long the oldest of those has waited; 0 if there are none
}

// Stats returns the numbers of this moment.
func (b *Backend) Stats() (s Stats) {
	b.loop.Do(func() { s = b.stats() })
	return s
}

// InFlight lists the requests in flight, for a diagnosis.
func (b *Backend) InFlight() (all []wire.InFlight) {
	b.loop.Do(func() { all = b.inFlight() })
	return all
}

// Close closes the sockets of all workers. Their requests fail.
func (b *Backend) Close() {
	var links []*link.Link
	b.loop.Do(func() {
		for l := range b.links {
			links = append(links, l)
		}
	})
	for _, l := range links {
		l.Close()
	}
	b.loop.Do(func() {
		b.shared.close()
		b.requests.Close()
	})
}

// files duplicates descriptors. The caller has to close the files.
func files(fds ...int) (all []*os.File, err error) {
	for _, fd := range fds {
		f, err := duplicate(fd)
		if err != nil {
			for _, f := range all {
				f.Close()
			}
			return nil, err
		}
		all = append(all, f)
	}
	return all, nil
}
